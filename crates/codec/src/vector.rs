//! Version vectors on the wire: arrays of (incarnation, version), sorted by incarnation.
//!
//! An array and not an Avro map: a map has no order, and equal vectors must be equal bytes.

use crate::names;
use crate::wire::{Read, Reader, put_bytes, put_long};
use tributary_model::{Dot, Incarnation, Version, VersionVector};

/// Appends a version; one that Avro's `long` cannot hold comes back as the error.
pub(crate) fn put_version(out: &mut Vec<u8>, version: Version) -> Result<(), Version> {
    match i64::try_from(version) {
        Ok(number) if number > 0 => {
            put_long(out, number);
            Ok(())
        }
        _ => Err(version),
    }
}

/// Appends incarnation and version of a change.
pub(crate) fn put_dot(out: &mut Vec<u8>, dot: &Dot) -> Result<(), Version> {
    put_bytes(out, dot.incarnation.as_str().as_bytes());
    put_version(out, dot.version)
}

/// Appends a vector.
pub(crate) fn put_vector(out: &mut Vec<u8>, vector: &VersionVector) -> Result<(), Version> {
    let entries = vector.iter();
    if entries.len() > 0 {
        put_long(out, entries.len() as i64);
        for (incarnation, version) in entries {
            put_bytes(out, incarnation.as_str().as_bytes());
            put_version(out, version)?;
        }
    }
    put_long(out, 0);
    Ok(())
}

/// Reads an incarnation's name.
pub(crate) fn incarnation(reader: &mut Reader<'_>) -> Read<Incarnation> {
    let text = reader.text()?;
    match names::incarnation(text) {
        Some(name) => Ok(name),
        None => reader.fault("a text names no incarnation"),
    }
}

fn version(reader: &mut Reader<'_>) -> Read<Version> {
    match Version::try_from(reader.long()?) {
        Ok(version) if version > 0 => Ok(version),
        _ => reader.fault("a version is not positive"),
    }
}

/// Reads incarnation and version of a change.
pub(crate) fn dot(reader: &mut Reader<'_>) -> Read<Dot> {
    let incarnation = incarnation(reader)?;
    Ok(Dot::new(incarnation, version(reader)?))
}

/// Reads a vector.
pub(crate) fn vector(reader: &mut Reader<'_>) -> Read<VersionVector> {
    let mut vector = VersionVector::new();
    let mut last: Option<Incarnation> = None;
    reader.array(|reader| {
        let entry = dot(reader)?;
        if last.as_ref().is_some_and(|last| *last >= entry.incarnation) {
            return reader.fault("a vector's entries are out of order");
        }
        vector.raise(&entry.incarnation, entry.version);
        last = Some(entry.incarnation);
        Ok(())
    })?;
    Ok(vector)
}
