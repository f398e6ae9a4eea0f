//! The only way to markup here: tags, attributes' names and fixed pieces are literals, and everything else goes through
//! [`push_escaped`]. What is written is HTML that an XML parser can read too, so that a test can.

use crate::escape::is_instruction;
use std::fmt::{self, Display, Write as _};

/// An attribute: its name, which is ours, and its value, which may be anybody's.
pub(super) type Attribute<'a> = (&'static str, &'a dyn Display);

/// A page on its way.
#[derive(Debug, Default)]
pub(super) struct Markup(String);

impl Markup {
    /// A literal of ours, as it is.
    pub(super) fn raw(&mut self, literal: &'static str) {
        self.0.push_str(literal);
    }

    /// Text, escaped.
    pub(super) fn text(&mut self, text: impl Display) {
        // Escaping cannot fail, and writing to a String cannot either.
        let _ = write!(Escaping(&mut self.0), "{text}");
    }

    /// An element around what `inside` writes.
    pub(super) fn within(
        &mut self,
        tag: &'static str,
        attributes: &[Attribute],
        inside: impl FnOnce(&mut Markup),
    ) {
        self.open(tag, attributes, ">");
        inside(self);
        self.0.push_str("</");
        self.0.push_str(tag);
        self.0.push('>');
    }

    /// An element around text.
    pub(super) fn element(
        &mut self,
        tag: &'static str,
        attributes: &[Attribute],
        text: impl Display,
    ) {
        self.within(tag, attributes, |page| page.text(text));
    }

    /// An element that has no inside: a void one of HTML, or a shape of SVG.
    pub(super) fn empty(&mut self, tag: &'static str, attributes: &[Attribute]) {
        self.open(tag, attributes, "/>");
    }

    /// A new line, so that a page is not one line of a megabyte.
    pub(super) fn line(&mut self) {
        self.0.push('\n');
    }

    /// The page.
    pub(super) fn finish(self) -> String {
        self.0
    }

    fn open(&mut self, tag: &'static str, attributes: &[Attribute], end: &'static str) {
        self.0.push('<');
        self.0.push_str(tag);
        for (name, value) in attributes {
            self.0.push(' ');
            self.0.push_str(name);
            self.0.push_str("=\"");
            self.text(value);
            self.0.push('"');
        }
        self.0.push_str(end);
    }
}

/// Writes to a string what is safe in it.
struct Escaping<'a>(&'a mut String);

impl fmt::Write for Escaping<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        text.chars().for_each(|c| push_escaped(self.0, c));
        Ok(())
    }
}

/// One character, safe between tags and in a quoted attribute. What would instruct a reader (control and format characters, and
/// the two that no XML may have) is shown as its number, as `escape` does.
fn push_escaped(out: &mut String, c: char) {
    match c {
        '&' => out.push_str("&amp;"),
        '<' => out.push_str("&lt;"),
        '>' => out.push_str("&gt;"),
        '"' => out.push_str("&quot;"),
        '\'' => out.push_str("&#39;"),
        c if is_instruction(c) || is_no_character(c) => {
            let _ = write!(out, "\\u{{{:x}}}", u32::from(c));
        }
        c => out.push(c),
    }
}

/// The last two of each plane are not characters (Unicode 23.7), nor are U+FDD0 to U+FDEF.
fn is_no_character(c: char) -> bool {
    u32::from(c) & 0xfffe == 0xfffe || ('\u{fdd0}'..='\u{fdef}').contains(&c)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn escaped(text: &str) -> String {
        let mut page = Markup::default();
        page.text(text);
        page.finish()
    }

    #[test]
    fn nothing_of_a_text_is_markup() {
        assert_eq!(
            escaped("<b a='1' c=\"2\">&amp;"),
            "&lt;b a=&#39;1&#39; c=&quot;2&quot;&gt;&amp;amp;"
        );
        assert_eq!(escaped("]]>--><!--"), "]]&gt;--&gt;&lt;!--");
        assert_eq!(escaped("größe 漢字 −"), "größe 漢字 −");
    }

    #[test]
    fn what_instructs_a_reader_is_shown() {
        assert_eq!(escaped("a\u{202e}b\0\n\u{1b}[m"), "a\\u{202e}b\\u{0}\\u{a}\\u{1b}[m");
        assert_eq!(escaped("\u{fffe}\u{ffff}\u{10ffff}"), "\\u{fffe}\\u{ffff}\\u{10ffff}");
    }

    #[test]
    fn attributes_are_quoted_and_escaped() {
        let mut page = Markup::default();
        page.empty("rect", &[("title", &"\" onload=\"x"), ("width", &1.5)]);
        assert_eq!(page.finish(), "<rect title=\"&quot; onload=&quot;x\" width=\"1.5\"/>");
    }
}
