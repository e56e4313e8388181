//! Avro's binary forms that our records are made of: varints, lengths, unions with null, array blocks.
//!
//! Why not the Avro library's own writer and reader (0.22): its reader cannot do what we need. It allocates as many
//! bytes as a record declares (up to 512 MB) before it looks whether they are there, decodes what should be passed
//! over (`before`), hands out no borrowed text (an incarnation's name would be allocated four times a record), and
//! takes no seed (a column's type would have to come from a global). It also costs several times as much, on a path
//! that each row takes half a dozen times. Medians of one run, for a resolved record of ten mixed columns with the row
//! before it: written in 0.16 µs and read in 0.61 µs here, 0.87 µs and 2.09 µs with the library's serde writer and
//! reader. `benches/codec.rs` runs both, so that the choice can be made again with a later version;
//! `tests/library.rs` holds every byte equal to the library's writer and reader, both ways.
//!
//! Reading borrows from the input and allocates nothing, so a declared length can claim whatever it likes.

/// Appends a zigzag varint (Avro `int` and `long`).
pub(crate) fn put_long(out: &mut Vec<u8>, value: i64) {
    let mut rest = ((value << 1) ^ (value >> 63)) as u64;
    while rest >= 0x80 {
        out.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    out.push(rest as u8);
}

/// Appends a length and the bytes (Avro `bytes` and `string`).
pub(crate) fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    put_long(out, bytes.len() as i64);
    out.extend_from_slice(bytes);
}

/// Appends the branch of a union `["null", T]`.
pub(crate) fn put_branch(out: &mut Vec<u8>, present: bool) {
    out.push(if present { 2 } else { 0 });
}

/// Appends a nullable long.
pub(crate) fn put_optional_long(out: &mut Vec<u8>, value: Option<i64>) {
    put_branch(out, value.is_some());
    if let Some(value) = value {
        put_long(out, value);
    }
}

fn unzigzag(number: u64) -> i64 {
    (number >> 1) as i64 ^ -((number & 1) as i64)
}

/// Which part of a record was being read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// Not said.
    Unknown,
    /// A field by name.
    Field(&'static str),
    /// A column by position.
    Column(u16),
}

/// Why reading stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Fault {
    /// Where in the payload.
    pub(crate) at: usize,
    /// What is wrong there.
    pub(crate) problem: &'static str,
    /// What was being read.
    pub(crate) place: Place,
}

/// The outcome of reading; the fault is boxed, so that the ordinary case stays small.
pub(crate) type Read<T> = Result<T, Box<Fault>>;

/// Adds the place to a fault that does not know it yet.
pub(crate) trait Within {
    /// Says which field was being read.
    fn within(self, field: &'static str) -> Self;
    /// Says which column was being read.
    fn within_column(self, index: usize) -> Self;
}

impl<T> Within for Read<T> {
    fn within(self, field: &'static str) -> Self {
        self.map_err(|mut fault| {
            if fault.place == Place::Unknown {
                fault.place = Place::Field(field);
            }
            fault
        })
    }

    fn within_column(self, index: usize) -> Self {
        self.map_err(|mut fault| {
            if let (Place::Unknown, Ok(index)) = (fault.place, u16::try_from(index)) {
                fault.place = Place::Column(index);
            }
            fault
        })
    }
}

/// A place in a payload.
#[derive(Debug, Clone)]
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
    /// Where the bytes end, counted from the payload's start.
    end: usize,
}

impl<'a> Reader<'a> {
    /// Starts at the beginning of `payload`.
    pub(crate) fn new(payload: &'a [u8]) -> Self {
        Self { rest: payload, end: payload.len() }
    }

    /// Starts at the beginning of `part`, which begins at byte `start` of the payload.
    pub(crate) fn of_part(part: &'a [u8], start: usize) -> Self {
        Self { rest: part, end: start + part.len() }
    }

    /// How many bytes have been read.
    pub(crate) fn at(&self) -> usize {
        self.end - self.rest.len()
    }

    /// The bytes that have not been read.
    pub(crate) fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// A fault at this place.
    #[cold]
    pub(crate) fn fault<T>(&self, problem: &'static str) -> Read<T> {
        Err(Box::new(Fault { at: self.at(), problem, place: Place::Unknown }))
    }

    /// Reads `prefix` if it stands here.
    pub(crate) fn skip_prefix(&mut self, prefix: &[u8]) -> bool {
        match self.rest.strip_prefix(prefix) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    #[inline]
    fn byte(&mut self) -> Read<u8> {
        match self.rest.split_first() {
            Some((byte, rest)) => {
                self.rest = rest;
                Ok(*byte)
            }
            None => self.fault("the record ends in the middle"),
        }
    }

    #[inline]
    fn take(&mut self, length: usize) -> Read<&'a [u8]> {
        match self.rest.split_at_checked(length) {
            Some((taken, rest)) => {
                self.rest = rest;
                Ok(taken)
            }
            None => self.fault("the record ends in the middle"),
        }
    }

    /// Reads a zigzag varint.
    #[inline]
    pub(crate) fn long(&mut self) -> Read<i64> {
        // Lengths and branches, most of what is read, fit the first byte.
        if let [byte @ 0..=0x7f, rest @ ..] = self.rest {
            self.rest = rest;
            return Ok(unzigzag(u64::from(*byte)));
        }
        self.long_of_many_bytes()
    }

    fn long_of_many_bytes(&mut self) -> Read<i64> {
        let mut number = 0;
        for shift in (0..70).step_by(7) {
            let byte = self.byte()?;
            // The tenth byte has room for one bit.
            if shift == 63 && byte > 1 {
                break;
            }
            number |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(unzigzag(number));
            }
        }
        self.fault("a number has more than 64 bits")
    }

    /// Reads a zigzag varint of 32 bits.
    pub(crate) fn int(&mut self) -> Read<i32> {
        match i32::try_from(self.long()?) {
            Ok(value) => Ok(value),
            Err(_) => self.fault("a number has more than 32 bits"),
        }
    }

    /// Reads a boolean.
    pub(crate) fn boolean(&mut self) -> Read<bool> {
        match self.byte()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => self.fault("a boolean is neither 0 nor 1"),
        }
    }

    /// Reads a single.
    pub(crate) fn float(&mut self) -> Read<f32> {
        let mut bytes = [0; 4];
        bytes.copy_from_slice(self.take(4)?);
        Ok(f32::from_le_bytes(bytes))
    }

    /// Reads a double.
    pub(crate) fn double(&mut self) -> Read<f64> {
        let mut bytes = [0; 8];
        bytes.copy_from_slice(self.take(8)?);
        Ok(f64::from_le_bytes(bytes))
    }

    /// Skips `length` bytes.
    pub(crate) fn skip(&mut self, length: usize) -> Read<()> {
        self.take(length).map(|_| ())
    }

    /// Reads a length and as many bytes.
    #[inline]
    pub(crate) fn bytes(&mut self) -> Read<&'a [u8]> {
        match usize::try_from(self.long()?) {
            Ok(length) => self.take(length),
            Err(_) => self.fault("a length is negative"),
        }
    }

    /// Reads a text.
    pub(crate) fn text(&mut self) -> Read<&'a str> {
        match std::str::from_utf8(self.bytes()?) {
            Ok(text) => Ok(text),
            Err(_) => self.fault("a text is not UTF-8"),
        }
    }

    /// Reads the branch of a union `["null", T]`: whether T follows.
    #[inline]
    pub(crate) fn branch(&mut self) -> Read<bool> {
        match self.long()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => self.fault("a union has no such branch"),
        }
    }

    /// Reads a nullable long.
    pub(crate) fn optional_long(&mut self) -> Read<Option<i64>> {
        if self.branch()? { self.long().map(Some) } else { Ok(None) }
    }

    /// Reads an array, item by item; its blocks may come in any of the forms that Avro allows.
    pub(crate) fn array(&mut self, mut item: impl FnMut(&mut Self) -> Read<()>) -> Read<()> {
        loop {
            let count = self.long()?;
            if count == 0 {
                return Ok(());
            }
            if count < 0 {
                // A negative count is followed by the block's size in bytes, which only a skipping reader needs.
                self.long()?;
            }
            for _ in 0..count.unsigned_abs() {
                item(self)?;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn problem<T: std::fmt::Debug>(read: Read<T>) -> &'static str {
        read.unwrap_err().problem
    }

    #[test]
    fn numbers_have_at_most_64_bits() {
        let full = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01];
        assert_eq!(Reader::new(&full).long().unwrap(), i64::MIN);
        let mut wider = full;
        wider[9] = 0x02;
        assert_eq!(problem(Reader::new(&wider).long()), "a number has more than 64 bits");
        wider[9] = 0x81;
        assert_eq!(problem(Reader::new(&wider).long()), "a number has more than 64 bits");
        assert_eq!(problem(Reader::new(&full[..9]).long()), "the record ends in the middle");
        // A longer spelling than needed is still the number, as everywhere in Avro.
        assert_eq!(Reader::new(&[0x82, 0x80, 0x00]).long().unwrap(), 1);
        let mut out = Vec::new();
        put_long(&mut out, i64::from(i32::MAX) + 1);
        assert_eq!(problem(Reader::new(&out).int()), "a number has more than 32 bits");
    }

    #[test]
    fn what_no_schema_allows_is_refused() {
        assert_eq!(problem(Reader::new(&[2]).boolean()), "a boolean is neither 0 nor 1");
        assert_eq!(problem(Reader::new(&[4]).branch()), "a union has no such branch");
        assert_eq!(problem(Reader::new(&[1]).branch()), "a union has no such branch");
        assert_eq!(problem(Reader::new(&[1, 7]).bytes()), "a length is negative");
        assert_eq!(problem(Reader::new(&[2, 0xff]).text()), "a text is not UTF-8");
        assert_eq!(problem(Reader::new(&[0; 3]).float()), "the record ends in the middle");
    }

    #[test]
    fn arrays_may_come_in_blocks() {
        let read = |bytes: &[u8]| {
            let mut items = Vec::new();
            let mut reader = Reader::new(bytes);
            reader.array(|reader| reader.long().map(|item| items.push(item)))?;
            assert!(reader.rest().is_empty());
            Ok(items)
        };
        // Two items; one and one; one of a block with its size in bytes.
        assert_eq!(read(&[4, 2, 4, 0]).unwrap(), [1, 2]);
        assert_eq!(read(&[2, 2, 2, 4, 0]).unwrap(), [1, 2]);
        assert_eq!(read(&[1, 2, 2, 2, 4, 0]).unwrap(), [1, 2]);
        assert_eq!(problem(read(&[4, 2])), "the record ends in the middle");
    }

    #[test]
    fn a_fault_keeps_the_innermost_place() {
        let fault = Reader::of_part(&[2], 40).boolean().within_column(3).within("after").unwrap_err();
        assert_eq!((fault.at, fault.place), (41, Place::Column(3)));
    }

    proptest! {
        #[test]
        fn numbers_read_back(number: i64) {
            let mut out = Vec::new();
            put_long(&mut out, number);
            let mut reader = Reader::new(&out);
            prop_assert_eq!(reader.long().unwrap(), number);
            prop_assert_eq!(reader.at(), out.len());
        }
    }
}
