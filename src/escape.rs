//! Makes text of a workload or a client safe to show: no control character, no escape sequence, no bidi trick gets through.

use std::fmt::Write as _;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use unicode_width::UnicodeWidthStr as _;

/// `text` with everything that a terminal or a log reader could take for an instruction written as `\xNN`, `\u{NNNN}`, `\n` or `\t`,
/// and backslashes doubled, so that the result is unambiguous and one line.
pub fn escape(text: &[u8]) -> String {
    let mut out = String::with_capacity(text.len());
    for chunk in text.utf8_chunks() {
        for c in chunk.valid().chars() {
            push_escaped(&mut out, c);
        }
        for byte in chunk.invalid() {
            // Writing to a String cannot fail.
            let _ = write!(out, "\\x{byte:02x}");
        }
    }
    out
}

/// As [`escape`], cut to `max` characters with `…` at the end where something was cut.
pub fn escape_cut(text: &[u8], max: usize) -> String {
    let whole = escape(text);
    if whole.chars().count() <= max {
        return whole;
    }
    whole.chars().take(max.saturating_sub(1)).chain(['…']).collect()
}

/// `text` in at most `width` columns of a terminal, `…` at the end where something was cut.
pub fn cut(text: &str, width: usize) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    let mut out = String::new();
    for c in text.chars() {
        out.push(c);
        if out.width() >= width {
            out.pop();
            break;
        }
    }
    if width > 0 {
        out.push('…');
    }
    out
}

/// A line that is on its way out, made safe whatever it was made of: what is escaped already stays as it is.
pub fn tame(line: &str) -> String {
    let mut out = String::with_capacity(line.len());
    for c in line.chars() {
        match c {
            '\\' => out.push(c),
            c => push_escaped(&mut out, c),
        }
    }
    out
}

/// A path as people are shown it.
pub fn shown(path: &Path) -> String {
    escape(path.as_os_str().as_bytes())
}

fn push_escaped(out: &mut String, c: char) {
    match c {
        '\\' => out.push_str("\\\\"),
        '\n' => out.push_str("\\n"),
        '\r' => out.push_str("\\r"),
        '\t' => out.push_str("\\t"),
        c if is_instruction(c) => {
            let _ = write!(out, "\\u{{{:x}}}", u32::from(c));
        }
        c => out.push(c),
    }
}

/// Whether a terminal or a reader may take it for an instruction: a control character of either kind, or a format character.
pub fn is_instruction(c: char) -> bool {
    c.is_control() || is_invisible(c)
}

/// Format characters that change how their neighbours are shown: bidi controls, zero-width characters, separators, tags.
fn is_invisible(c: char) -> bool {
    matches!(u32::from(c),
        0xad | 0x61c | 0x180e | 0x200b..=0x200f | 0x2028..=0x202e | 0x2060..=0x206f | 0xfeff
        | 0xfff9..=0xfffb | 0xe0000..=0xe0fff)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_cut_by_columns_not_characters() {
        assert_eq!(cut("short", 5), "short");
        assert_eq!(cut("longer", 5), "long…");
        assert_eq!(cut("漢字漢字", 5), "漢字…");
        assert_eq!(cut("x", 0), "");
    }

    #[test]
    fn escape_sequences_are_shown_not_obeyed() {
        assert_eq!(escape(b"\x1b[2Jhi\n"), "\\u{1b}[2Jhi\\n");
        assert_eq!(escape(b"a\xffb"), "a\\xffb");
        assert_eq!(escape("x\u{202e}y".as_bytes()), "x\\u{202e}y");
        assert_eq!(escape("größe".as_bytes()), "größe");
    }

    #[test]
    fn taming_twice_is_taming_once() {
        let once = tame("say \x1b]0;x\x07 \u{9b}2J \u{202e}\n\\u{1b} ü");
        assert_eq!(once, "say \\u{1b}]0;x\\u{7} \\u{9b}2J \\u{202e}\\n\\u{1b} ü");
        assert_eq!(tame(&once), once);
    }

    #[test]
    fn cutting_marks_the_cut() {
        assert_eq!(escape_cut(b"abcdef", 4), "abc…");
        assert_eq!(escape_cut(b"abcd", 4), "abcd");
    }
}
