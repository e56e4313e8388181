//! The registry's framing: one zero byte, then the schema id as four bytes, most significant first.

use crate::Error;

/// How many bytes stand before the payload.
pub const FRAME_LENGTH: usize = 5;

const MAGIC: u8 = 0;

/// Appends the framing for schema `id`.
pub fn frame(id: u32, out: &mut Vec<u8>) {
    out.push(MAGIC);
    out.extend_from_slice(&id.to_be_bytes());
}

/// The schema id and the payload of a framed record.
pub fn split_frame(framed: &[u8]) -> Result<(u32, &[u8]), Error> {
    match framed {
        [MAGIC, a, b, c, d, payload @ ..] => Ok((u32::from_be_bytes([*a, *b, *c, *d]), payload)),
        _ => Err(Error::Frame { length: framed.len(), first: framed.first().copied() }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn framing_is_a_zero_and_the_id_in_network_order() {
        let mut out = Vec::new();
        frame(0x0102_0304, &mut out);
        assert_eq!(out, [0, 1, 2, 3, 4]);
        out.push(9);
        assert_eq!(split_frame(&out).unwrap(), (0x0102_0304, &[9_u8][..]));
    }

    #[test]
    fn what_is_not_framed_is_refused() {
        for bad in [&[][..], &[0, 0, 0, 1], &[1, 0, 0, 0, 1, 7]] {
            let error = split_frame(bad).unwrap_err();
            assert_eq!(error.code(), "COD-001", "{bad:?}");
        }
    }
}
