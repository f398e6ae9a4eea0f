//! Any text of a workload: shown without anything that a terminal obeys, and reversibly. And any answer of what claims to be a guardian.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sentinel::control::client;
use sentinel::escape::{escape, escape_cut};

fuzz_target!(|text: &[u8]| {
    let shown = escape(text);
    assert!(!shown.chars().any(char::is_control), "{shown:?}");
    assert!(!shown.contains(['\u{200b}', '\u{202e}', '\u{2028}', '\u{feff}', '\u{ad}']));
    assert!(shown.len() <= text.len() * 6 + 4);
    assert_eq!(unescape(&shown), text, "{shown}");
    for most in [1, 7, 40] {
        assert!(escape_cut(text, most).chars().count() <= most);
    }
    let (mut bytes, mut out) = (text.to_vec(), Vec::new());
    client::show(&mut bytes, &mut out).expect("memory takes it");
    assert!(bytes.len() < 4 && out.len() <= text.len(), "the beginning of a character may wait");
    let out = String::from_utf8(out).expect("whole characters");
    assert!(!out.chars().any(|c| c.is_control() && !"\n\t".contains(c)), "{out:?}");
});

fn unescape(shown: &str) -> Vec<u8> {
    let (mut bytes, mut chars) = (Vec::new(), shown.chars());
    while let Some(c) = chars.next() {
        let c = if c == '\\' { escaped(&mut chars, &mut bytes) } else { Some(c) };
        let mut place = [0; 4];
        bytes.extend(c.map_or(&[][..], |c| c.encode_utf8(&mut place).as_bytes()));
    }
    bytes
}

/// What stands behind a backslash; a bare byte goes to `bytes`.
fn escaped(chars: &mut std::str::Chars<'_>, bytes: &mut Vec<u8>) -> Option<char> {
    match chars.next()? {
        'n' => Some('\n'),
        'r' => Some('\r'),
        't' => Some('\t'),
        'x' => {
            let digits: String = chars.by_ref().take(2).collect();
            bytes.push(u8::from_str_radix(&digits, 16).expect("two digits"));
            None
        }
        'u' => {
            let digits: String = chars.by_ref().skip(1).take_while(|c| *c != '}').collect();
            char::from_u32(u32::from_str_radix(&digits, 16).expect("digits"))
        }
        c => Some(c),
    }
}
