//! Which texts a code page holds: a `varchar` column turns the others into question marks without a word.

use encoding_rs::Encoding;

/// A code page, as `COLLATIONPROPERTY` numbers them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct CodePage(pub(crate) u32);

/// UTF-8.
pub(crate) const UTF_8: u32 = 65001;

impl CodePage {
    fn encoding(self) -> Option<&'static Encoding> {
        Some(match self.0 {
            874 => encoding_rs::WINDOWS_874,
            932 => encoding_rs::SHIFT_JIS,
            936 => encoding_rs::GBK,
            949 => encoding_rs::EUC_KR,
            950 => encoding_rs::BIG5,
            1250 => encoding_rs::WINDOWS_1250,
            1251 => encoding_rs::WINDOWS_1251,
            1252 => encoding_rs::WINDOWS_1252,
            1253 => encoding_rs::WINDOWS_1253,
            1254 => encoding_rs::WINDOWS_1254,
            1255 => encoding_rs::WINDOWS_1255,
            1256 => encoding_rs::WINDOWS_1256,
            1257 => encoding_rs::WINDOWS_1257,
            1258 => encoding_rs::WINDOWS_1258,
            UTF_8 => encoding_rs::UTF_8,
            _ => return None,
        })
    }

    /// How many bytes the text takes; `None` if the code page lacks one of its characters. Of a code page that we do
    /// not know, only ASCII is certain.
    pub(crate) fn length(self, text: &str) -> Option<usize> {
        if text.is_ascii() {
            return Some(text.len());
        }
        let (bytes, _, lacking) = self.encoding()?.encode(text);
        (!lacking).then_some(bytes.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_pages_hold_what_they_hold() {
        assert_eq!(CodePage(1252).length("größe €"), Some(7));
        assert_eq!(CodePage(1252).length("名前"), None);
        assert_eq!(CodePage(1251).length("größe"), None);
        assert_eq!(CodePage(932).length("名前"), Some(4));
        assert_eq!(CodePage(UTF_8).length("名前"), Some(6));
        assert_eq!(CodePage(437).length("plain"), Some(5));
        assert_eq!(CodePage(437).length("ä"), None, "nothing is certain of it");
    }
}
