//! W3C trace context: the header by which a change can be followed through all workers and into other systems.
//!
//! Only sampled: capture begins a trace with the first change of every page. A change that comes alone always has
//! one, and a bulk load does not carry millions of them.

use crate::Headers;
use std::fmt;
use uuid::Uuid;

/// The header's name, as W3C Trace Context has it.
const HEADER: &str = "traceparent";

/// A place in a trace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Trace {
    id: u128,
    span: u64,
}

impl Trace {
    /// Begins a trace.
    pub fn begin() -> Self {
        Self { id: Uuid::new_v4().as_u128(), span: random_span() }
    }

    /// The next step of the same trace.
    #[must_use]
    pub fn next(&self) -> Self {
        Self { id: self.id, span: random_span() }
    }

    /// Adds the header.
    #[must_use]
    pub fn onto(&self, headers: Headers) -> Headers {
        headers.with(HEADER, self.to_string().as_bytes())
    }

    /// The trace that a record is part of. What does not look like one is none.
    pub fn of(headers: &Headers) -> Option<Self> {
        let text = std::str::from_utf8(headers.get(HEADER)?).ok()?;
        let mut parts = text.split('-');
        let (version, id, span) = (parts.next()?, parts.next()?, parts.next()?);
        let hexadecimal = |part: &str, length| {
            part.len() == length && part.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
        };
        // A later version may add parts, and keeps these.
        let sound =
            hexadecimal(version, 2) && version != "ff" && hexadecimal(id, 32) && hexadecimal(span, 16);
        let (id, span) = (u128::from_str_radix(id, 16).ok()?, u64::from_str_radix(span, 16).ok()?);
        (sound && id != 0 && span != 0).then_some(Self { id, span })
    }

    /// The trace's id, as tracing systems show it.
    pub fn id(&self) -> String {
        format!("{:032x}", self.id)
    }
}

/// Not 0, which W3C has for none: a version 4 UUID has bits that are always set.
fn random_span() -> u64 {
    (Uuid::new_v4().as_u128() >> 64) as u64
}

impl fmt::Display for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "00-{:032x}-{:016x}-01", self.id, self.span)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trace_goes_on_under_its_id() {
        let begun = Trace::begin();
        let headers = begun.onto(Headers::new().with("dss-op", b"u"));
        let read = Trace::of(&headers).unwrap();
        assert_eq!(read, begun);
        let next = read.next();
        assert_eq!(next.id(), begun.id());
        assert_ne!(next, begun);
        assert_eq!(begun.to_string().len(), 55);
    }

    #[test]
    fn what_is_no_trace_is_none() {
        let sound = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        let of = |text: &str| Trace::of(&Headers::new().with(HEADER, text.as_bytes()));
        assert_eq!(of(sound).unwrap().to_string(), sound);
        assert!(of("01-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-new").is_some());
        for bad in ["", "00", &sound.replace("00-", "ff-"), &sound.replace("0af7", "0AF7"), &sound[..40]] {
            assert!(of(bad).is_none(), "{bad}");
        }
        assert!(of("00-00000000000000000000000000000000-b7ad6b7169203331-01").is_none());
        assert!(Trace::of(&Headers::new()).is_none());
    }
}
