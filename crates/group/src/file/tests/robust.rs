//! Whatever stands in the file, reading it never panics and never shows a secret.

use super::*;
use proptest::prelude::*;

fn fragments() -> impl Strategy<Value = String> {
    let words = [
        "group",
        "log",
        "members",
        "tables",
        "name",
        "hq",
        "url",
        "embedded",
        "password",
        "as",
        "columns",
        "include",
        "priority",
        "sqlite:a.db",
        "${NAME}",
        "${",
        "$${",
        "file:",
        "~",
        "null",
        "{",
        "}",
        "[",
        "]",
        ":",
        ": ",
        ", ",
        "- ",
        "\n",
        "\n  ",
        "\n    ",
        "'",
        "\"",
        "#",
        "&a",
        "*a",
        "<<",
        "!!binary",
        "|",
        ">",
        "---",
        "\t",
        "\u{feff}",
        "é",
        "\0",
        "1e999",
        ".inf",
        "0x10",
    ];
    proptest::collection::vec(proptest::sample::select(words.to_vec()), 0..40)
        .prop_map(|words| words.concat())
}

proptest! {
    #[test]
    fn any_text_is_answered(text in "\\PC{0,80}") {
        let _ = parse(&text);
    }

    #[test]
    fn any_mixture_of_its_words_is_answered(text in fragments()) {
        let _ = parse(&text);
    }

    #[test]
    fn a_file_cut_off_anywhere_is_answered(at in 0..template().len()) {
        let cut = (at..).find(|at| template().is_char_boundary(*at)).unwrap_or(0);
        let _ = parse(&template()[..cut]);
    }

    #[test]
    fn a_password_is_never_shown(more in fragments(), front in fragments()) {
        let text = with_members(&format!("  hq: {{ url: 'postgres://u@h/d', password: zzgeheimzz{more}"));
        if let Err(error) = parse(&text) {
            prop_assert!(!format!("{error}{error:?}").contains("zzgeheimzz"), "{}", error);
        }
        let text = with_members(&format!("  hq: {{ password: [zzgeheimzz], url: {front}"));
        if let Err(error) = parse(&text) {
            prop_assert!(!format!("{error}{error:?}").contains("zzgeheimzz"), "{}", error);
        }
    }
}
