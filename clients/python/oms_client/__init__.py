"""A client of the OMS Document Request API."""

from oms_client.client import OmsClient
from oms_client.documents import Document
from oms_client.errors import OmsError, OutOfReach, Refused
from oms_client.events import Ends, news

__all__ = ["Document", "Ends", "OmsClient", "OmsError", "OutOfReach", "Refused", "news"]
