//! Model types to and from Avro in the Confluent wire format.
//!
//! Decides how keys, changes, resolved records, conflicts and exceptions look on the wire: the schemas (fixed parts in
//! `schemas/*.avsc`, rows derived from their tables) and the bytes. It does not register schemas, name topics or
//! pick partitions: the schema id comes in as a number and goes out as one.
//!
//! A value starts with five bytes of framing (zero, then the schema id), the Avro payload follows. A decoder takes
//! only what was written with the same table schema; everything else is an error, never a guess.

mod conflict;
mod decimal;
mod envelope;
mod error;
mod exception;
mod frame;
mod json;
mod names;
mod row;
mod schema;
mod table;
mod vector;
mod wire;

pub use conflict::ConflictCodec;
pub use error::{Disposition, Error};
pub use exception::ExceptionCodec;
pub use frame::{FRAME_LENGTH, frame, split_frame};
pub use json::json_value;
pub use table::{ResolvedRecord, TableCodec};
