//! Any size, share, count or duration: what is shown of it is understood again, and means no more than it.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sentinel::units::{Bytes, Limit, Percent, Size, parse_count, parse_duration, show_duration};
use std::time::Duration;

fuzz_target!(|text: &str| {
    if let Ok(bytes) = text.parse::<Bytes>() {
        assert_eq!(bytes.0.to_string().parse(), Ok(bytes));
        shown(bytes);
    }
    if let Ok(share) = text.parse::<Percent>() {
        assert!((1..=100).contains(&share.0));
        assert_eq!(share.to_string().parse(), Ok(share));
    }
    if let Ok(size) = text.parse::<Size>() {
        assert!(matches!(size, Size::Absolute(_)) || size.of(Bytes(u64::MAX)).0 > 0);
    }
    if let Ok(limit) = parse_count(text) {
        assert_ne!(limit, Limit::At(0));
        assert_eq!(parse_count(&limit.to_string()), Ok(limit));
    }
    if let Ok(duration) = parse_duration(text) {
        assert_eq!(parse_duration(&format!("{}us", duration.as_micros())), Ok(duration));
        assert!(duration <= Duration::from_secs(10_000 * 86_400));
        assert!(show_duration(duration).len() < 12);
    }
    // Any number at all, whether or not it can be typed.
    let mut number = [0; 8];
    let length = text.len().min(8);
    number[..length].copy_from_slice(&text.as_bytes()[..length]);
    shown(Bytes(u64::from_le_bytes(number)));
});

/// Rounded down, by less than a tenth of what its unit is: a hundredth above 10 of them.
fn shown(bytes: Bytes) {
    let back: Bytes = bytes.to_string().parse().expect("what is shown is a size");
    assert!(back <= bytes && u128::from(bytes.0) * 10 <= u128::from(back.0) * 11 + 10, "{bytes}");
}
