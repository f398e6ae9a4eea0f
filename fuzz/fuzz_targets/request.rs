//! Any request line: what is understood means the same when it is written plainly; what is not is answered with one printable line.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sentinel::control::protocol::{Request, parse};
use sentinel::escape::escape;
use sentinel::units::Size;

fn plainly(request: &Request) -> String {
    let verb = request.verb();
    match request {
        Request::Status { json: true }
        | Request::Ps { json: true }
        | Request::Limits { json: true }
        | Request::Events { json: true }
        | Request::Watch { json: true } => format!("{verb} json"),
        Request::SetMemory { size, force } => {
            let size = match size {
                Size::Absolute(bytes) => bytes.0.to_string(),
                Size::Share(percent) => percent.to_string(),
            };
            format!("{verb} {size}{}", if *force { " --force" } else { "" })
        }
        Request::SetGrace(grace) => format!("{verb} {}us", grace.as_micros()),
        Request::SetTimeout(Some(timeout)) => format!("{verb} {}us", timeout.as_micros()),
        Request::SetTimeout(None) => format!("{verb} off"),
        Request::SetPids(limit) => format!("{verb} {limit}"),
        Request::Signal { pid, signal } => format!("{verb} {pid} {signal}"),
        _ => verb.to_owned(),
    }
}

fuzz_target!(|line: &[u8]| match parse(line) {
    Ok(request) => assert_eq!(parse(plainly(&request).as_bytes()), Ok(request)),
    Err(answer) => {
        // Only backslashes of an escape may change when it is escaped again.
        assert_eq!(escape(answer.as_bytes()).replace("\\\\", "\\"), answer);
        assert!(answer.chars().count() < 200, "{answer:?}");
    }
});
