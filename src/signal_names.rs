//! Signals by the names that people type.

use nix::libc::{SIGRTMAX, SIGRTMIN};
use nix::sys::signal::Signal;

/// A signal by name, with or without SIG, in any case, or by number; real-time signals as `RTMIN+3`.
pub fn signal_number(text: &str) -> Option<i32> {
    let upper = text.trim().to_ascii_uppercase();
    let name = upper.strip_prefix("SIG").unwrap_or(&upper);
    let named = format!("SIG{name}").parse::<Signal>().ok().map(|signal| signal as i32);
    let number = upper.parse::<i32>().ok().or_else(|| real_time(name));
    named.or(number.filter(|number| (1..=SIGRTMAX()).contains(number)))
}

/// `RTMIN`, `RTMIN+N`, `RTMAX`, `RTMAX-N` (signal(7)).
fn real_time(name: &str) -> Option<i32> {
    let (least, most) = (SIGRTMIN(), SIGRTMAX());
    let offset = |text: &str, sign: char| match text {
        "" => Some(0),
        _ => {
            let digits = text.strip_prefix(sign)?;
            let plain = digits.bytes().all(|byte| byte.is_ascii_digit());
            digits.parse::<u8>().ok().filter(|_| plain).map(i32::from)
        }
    };
    let number = match (name.strip_prefix("RTMIN"), name.strip_prefix("RTMAX")) {
        (Some(rest), _) => least + offset(rest, '+')?,
        (None, Some(rest)) => most - offset(rest, '-')?,
        (None, None) => return None,
    };
    (least..=most).contains(&number).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_numbers() {
        for (text, number) in [
            ("TERM", 15),
            ("sigterm", 15),
            (" 9 ", 9),
            ("64", 64),
            ("RTMIN", 34),
            ("sigrtmin+3", 37),
            ("RTMAX-1", 63),
            ("RTMAX", 64),
        ] {
            assert_eq!(signal_number(text), Some(number), "{text}");
        }
        for text in [
            "",
            "0",
            "65",
            "-1",
            "TERMINATE",
            "RTMIN-1",
            "RTMAX+1",
            "RTMIN+31",
            "RTMIN+",
            "RTMIN++1",
            "RTMIN3",
        ] {
            assert_eq!(signal_number(text), None, "{text}");
        }
    }
}
