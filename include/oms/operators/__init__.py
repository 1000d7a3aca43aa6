"""What operators select, see and drive: the queries behind the console and document_retrigger."""
