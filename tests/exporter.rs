//! The exporter of metrics: a real one over real guardians, asked as Prometheus asks and as nobody should.

#![expect(clippy::unwrap_used, reason = "a test may fail")]

#[path = "exporter/ended.rs"]
mod ended;
#[path = "exporter/hostile.rs"]
mod hostile;
#[path = "fleet/impostors.rs"]
mod impostors;
#[path = "exporter/pages.rs"]
mod pages;
#[path = "exporter/parsers.rs"]
mod parsers;
#[path = "exporter/prometheus.rs"]
mod prometheus;
#[path = "exporter/rules.rs"]
mod rules;
#[path = "exporter/serving.rs"]
mod serving;
#[path = "fleet/stage.rs"]
mod stage;
mod support;
