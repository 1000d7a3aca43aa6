#!/bin/sh
# The tool's own class; the scripts of the release are not in Maven Central.
exec java -Xmx128m -cp '/opt/kafka/libs/*' org.apache.kafka.tools.TopicCommand "$@"
