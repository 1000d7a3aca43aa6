"""The sample reference data of the contract, and configurations for its documents.

Runs: before the code that needs it.
Source: contracts/reference-data.openapi.yaml, x-sample-data.
"""

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Insert the rows. TOPIC_NAME is left out on purpose: without it, events go to OMS_KAFKA_TOPIC."""
    op.execute("""
        INSERT INTO reference_data (ref_data_type, ref_data_value, description, editable, effect_from_dat)
        SELECT type, value, description, type <> 'REF_DATA_TYPE', DATE '2020-01-01' FROM (VALUES
            ('REF_DATA_TYPE', 'REF_DATA_TYPE', 'The types of reference data'),
            ('REF_DATA_TYPE', 'SOURCE_SYSTEM', 'Systems that may ask for documents'),
            ('REF_DATA_TYPE', 'DOCUMENT_TYPE', 'Kinds of documents'),
            ('REF_DATA_TYPE', 'DOCUMENT_NAME', 'Documents by name'),
            ('REF_DATA_TYPE', 'DOCUMENT_LANGUAGE', 'Languages a document can be made in'),
            ('REF_DATA_TYPE', 'METADATA_KEY', 'Keys a request may carry as metadata'),
            ('REF_DATA_TYPE', 'APP_DOC_SPEC', 'What a configuration can be for: *, a prefix or a document'),
            ('REF_DATA_TYPE', 'FOOTER_ID', 'Footers; 0 is the default'),
            ('REF_DATA_TYPE', 'DOC_CONFIG_CODE', 'What can be configured for a document'),
            ('SOURCE_SYSTEM', 'CIBT', 'CIBT'),
            ('SOURCE_SYSTEM', 'ARCADE', 'Arcade'),
            ('DOCUMENT_TYPE', 'POLICY', 'Policy'),
            ('DOCUMENT_TYPE', 'INVOICE', 'Invoice'),
            ('DOCUMENT_NAME', 'POSHOOFF', 'Short offer'),
            ('DOCUMENT_NAME', 'IVZRECPA', 'Zero reconciliation or premium adjustment'),
            ('DOCUMENT_NAME', 'IVBRKCOM', 'Broker commission statement'),
            ('DOCUMENT_NAME', 'IVCLFCAP', 'Notice of credit limit fee cap breach'),
            ('DOCUMENT_LANGUAGE', 'EN', 'English'),
            ('DOCUMENT_LANGUAGE', 'ES', 'Spanish'),
            ('DOCUMENT_LANGUAGE', 'FR', 'French'),
            ('DOCUMENT_LANGUAGE', 'DE', 'German'),
            ('DOCUMENT_LANGUAGE', 'NL', 'Dutch'),
            ('METADATA_KEY', 'FOOTER_ID', 'Footer that the document is to carry'),
            ('METADATA_KEY', 'ORG_ID', 'Organisation'),
            ('METADATA_KEY', 'CUSTOMER_ID', 'Customer'),
            ('METADATA_KEY', 'POLICY_ID', 'Policy'),
            ('METADATA_KEY', 'INVOICE_ID', 'Invoice'),
            ('FOOTER_ID', '0', 'Default footer'),
            ('FOOTER_ID', '1', 'Footer 1'),
            ('FOOTER_ID', '2', 'Footer 2'),
            ('FOOTER_ID', '3', 'Footer 3'),
            ('FOOTER_ID', '4', 'Footer 4'),
            ('APP_DOC_SPEC', '*', 'Every document'),
            ('APP_DOC_SPEC', 'PO', 'Every policy document'),
            ('APP_DOC_SPEC', 'POSHOOFF', 'Short offer'),
            ('APP_DOC_SPEC', 'IV', 'Every invoice document'),
            ('DOC_CONFIG_CODE', 'SIGNEE_1', 'First signatory'),
            ('DOC_CONFIG_CODE', 'SIGNEE_2', 'Second signatory'),
            ('DOC_CONFIG_CODE', 'TOPIC_NAME', 'Kafka topic of the final status events'),
            ('DOC_CONFIG_CODE', 'BATCH_CONFIG_ID', 'Thunderhead configuration that renders it')
        ) AS sample (type, value, description)""")
    op.execute("""
        INSERT INTO document_configurations (footer_id, app_doc_spec, code, value, effect_from_dat) VALUES
            ('0', '*', 'BATCH_CONFIG_ID', '1000', '2020-01-01'),
            ('0', 'PO', 'BATCH_CONFIG_ID', '1100', '2020-01-01'),
            ('0', 'POSHOOFF', 'BATCH_CONFIG_ID', '1110', '2020-01-01'),
            ('0', 'IV', 'BATCH_CONFIG_ID', '1200', '2020-01-01'),
            ('0', '*', 'SIGNEE_1', 'Head of Operations', '2020-01-01'),
            ('0', '*', 'SIGNEE_2', 'Head of Finance', '2020-01-01'),
            ('0', 'PO', 'SIGNEE_1', 'Head of Underwriting', '2020-01-01'),
            ('2', '*', 'SIGNEE_1', 'Country Manager', '2020-01-01'),
            ('2', 'IV', 'SIGNEE_2', 'Country Finance Manager', '2020-01-01')""")


def downgrade() -> None:
    """Delete every row: before this revision the tables were empty."""
    op.execute("TRUNCATE document_configurations, reference_data")
