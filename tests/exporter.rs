//! The exporter of metrics: a real one over real guardians, asked as Prometheus asks and as nobody should.

#![expect(clippy::unwrap_used, reason = "a test may fail")]

#[path = "exporter/hostile.rs"]
mod hostile;
#[path = "exporter/pages.rs"]
mod pages;
#[path = "exporter/rules.rs"]
mod rules;
#[path = "exporter/serving.rs"]
mod serving;
#[path = "fleet/stage.rs"]
mod stage;
mod support;
