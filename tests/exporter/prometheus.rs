//! A real Prometheus that scrapes every 15 s, as everybody's does: ten runs that ended in random moments, none of which it ever saw
//! live, are ten counted ends and ten alerts; and every alert and every panel of the dashboard has data where there is any.

use crate::ended::HOG;
use crate::rules::{RULES, names, panels};
use crate::serving::{Exporter, GET, ask, body};
use crate::stage::Stage;
use crate::support::{Running, eventually, has_program, python, skip, until};
use nix::libc::SIGTERM;
use serde_json::Value;
use std::collections::BTreeSet;
use std::net::{SocketAddr, TcpListener};

/// One that scrapes this exporter, and its address.
struct Prometheus {
    running: Running,
    address: SocketAddr,
}

impl Prometheus {
    fn start(stage: &Stage, exporter: SocketAddr) -> Prometheus {
        let free = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = free.local_addr().unwrap();
        drop(free);
        stage.scene.write("alerts.yml", RULES);
        let config = format!(
            "global: {{scrape_interval: 15s, evaluation_interval: 3s}}\nrule_files: [alerts.yml]\n\
             scrape_configs: [{{job_name: s, static_configs: [{{targets: ['{exporter}']}}]}}]\n"
        );
        let config = stage.scene.write("prometheus.yml", &config);
        let mut command = stage.scene.program("prometheus");
        command.arg(format!("--config.file={config}"));
        command.arg(format!("--storage.tsdb.path={}", stage.scene.path("tsdb").display()));
        command.arg(format!("--web.listen-address={address}"));
        Prometheus { running: Running::start(&mut command), address }
    }

    /// What is behind `data`; nothing while it does not answer.
    fn get(&self, path: &str) -> Option<Value> {
        // Of HTTP/1.0, so that the answer is in one piece.
        let request = format!("GET /api/v1/{path} HTTP/1.0\r\nHost: x\r\n\r\n");
        let mut stream = std::net::TcpStream::connect(self.address).ok()?;
        std::io::Write::write_all(&mut stream, request.as_bytes()).ok()?;
        let mut answer = String::new();
        std::io::Read::read_to_string(&mut stream, &mut answer).ok()?;
        let json: Value = serde_json::from_str(answer.split_once("\r\n\r\n")?.1).ok()?;
        Some(json["data"].clone())
    }

    fn query(&self, expression: &str) -> Vec<Value> {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte);
        let escaped = expression.bytes().map(|byte| match plain(byte) {
            true => char::from(byte).to_string(),
            false => format!("%{byte:02X}"),
        });
        let data = self.get(&format!("query?query={}", escaped.collect::<String>()));
        // It may not listen yet.
        data.unwrap_or_default()["result"].as_array().cloned().unwrap_or_default()
    }

    /// Names of the runs for which this alert fires.
    fn firing(&self, alert: &str) -> BTreeSet<String> {
        let data = self.get("alerts").unwrap_or_default();
        let alerts = data["alerts"].as_array().cloned().unwrap_or_default();
        let ours = alerts.iter().filter(|it| it["labels"]["alertname"] == alert);
        let ours = ours.filter(|it| it["state"] == "firing");
        ours.map(|it| it["labels"]["guard"].as_str().unwrap_or_default().to_owned()).collect()
    }
}

/// The ten: what is to end them, in an order and at moments that nobody chose.
fn end_ten(stage: &Stage) -> BTreeSet<String> {
    let mut seed = u64::from(std::process::id());
    let mut random = |below: u64| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) % below
    };
    (0..10)
        .map(|n| {
            let name = format!("gone-{n}");
            let limit = format!("{}ms", 50 + random(2000));
            let own = ["--plain", "-q", "--name", &name, "--socket", "off", "--report", "never"];
            let (options, command): ([&str; 2], &[&str]) = match n % 3 {
                0 => (["-m", "60M"], &[python(), "-c", HOG]),
                _ => (["--timeout", &limit], &["sleep", "1000"]),
            };
            let run = stage.run(&[&own[..], &options, &["--"], command].concat());
            assert!([143, 137].contains(&run.code()), "{run:?}");
            name
        })
        .collect()
}

#[test]
fn ten_ends_are_ten_alerts_and_every_panel_has_data() {
    if !has_program("prometheus") {
        return skip("prometheus is not installed (Debian: prometheus)");
    }
    let Some(stage) = Stage::open() else { return };
    let exporter = Exporter::of(stage.start(&["metrics", "--listen", "127.0.0.1:0"]));
    let prometheus = Prometheus::start(&stage, exporter.address);
    until("it scraped", || !prometheus.query("sentinel_build_info").is_empty());
    let lives = stage.guard("lives", &[], &["sleep", "100000"]);
    let gone = end_ten(&stage);
    let page = body(&ask(exporter.address, GET)).to_owned();
    let mut seen = BTreeSet::new();
    until("all ten alerts fire", || {
        seen = prometheus.firing("SentinelRunEnded");
        seen.is_superset(&gone)
    });
    // Others of this user's may have ended on this machine meanwhile.
    seen.retain(|name| name.starts_with("gone-") || name == "lives");
    assert_eq!(seen, gone);
    let counted = "sum(sentinel_runs_ended_total{guard=~\"gone-.*\"})";
    assert_eq!(prometheus.query(counted)[0]["value"][1], "10");
    assert_eq!(prometheus.query("sentinel_guard_up{guard=~\"gone.*\"}"), Vec::<Value>::new());
    // A rate needs two scrapes of the one that lives.
    let twice = "count_over_time(sentinel_guard_up{guard=\"lives\"}[5m]) >= 2";
    until("it was scraped twice", || !prometheus.query(twice).is_empty());
    let mut empty = BTreeSet::new();
    for panel in panels() {
        for target in panel["targets"].as_array().unwrap() {
            let expression = target["expr"].as_str().unwrap().replace("$guard", ".*");
            if names(&expression).iter().all(|name| page.contains(&format!("\n{name}{{"))) {
                assert!(!prometheus.query(&expression).is_empty(), "{expression}");
            } else {
                empty.extend(names(&expression).iter().map(|name| (*name).to_owned()));
            }
        }
    }
    // What only the kernel tells, in tier kernel.
    let kernels = |name: &String| name.starts_with("sentinel_pressure_") || name.contains("_io_");
    assert!(empty.iter().all(kernels), "{empty:?}");
    let rules = eventually("it lists the rules", || prometheus.get("rules"));
    let rules = rules["groups"].as_array().unwrap().iter();
    for rule in rules.flat_map(|group| group["rules"].as_array().unwrap().clone()) {
        assert_eq!(rule["health"], "ok", "{rule}");
    }
    prometheus.running.send(SIGTERM);
    prometheus.running.finish();
    exporter.end();
    lives.send(SIGTERM);
    lives.finish().expect(143);
}
