//! Model types to and from Avro in the Confluent wire format.
