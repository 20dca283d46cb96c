//! Counters and histograms of requests, each looked up by its labels once and kept.

use std::collections::HashMap;
use std::sync::RwLock;

use axum::http::{Method, StatusCode};
use metrics::{Counter, Histogram};

/// What is counted of requests.
pub struct Meters {
    /// Records that were scored.
    pub records_scored: Counter,
    /// By route.
    requests: RwLock<HashMap<String, Vec<Meter>>>,
}

/// Of requests with one method and one status to one route.
struct Meter {
    method: &'static str,
    status: StatusCode,
    requests: Counter,
    seconds: Histogram,
}

impl Meters {
    /// Counters of the recorder that is installed.
    pub fn new() -> Self {
        Self {
            records_scored: metrics::counter!("whereof_records_scored_total"),
            requests: RwLock::default(),
        }
    }

    /// Counts a request.
    pub fn count(&self, route: &str, method: &Method, status: StatusCode, seconds: f64) {
        let method = name(method);
        // A poisoned lock holds counters that are as good as before.
        let known = self.requests.read().unwrap_or_else(|e| e.into_inner());
        if let Some(meter) = known.get(route).and_then(|meters| find(meters, method, status)) {
            return meter.count(seconds);
        }
        drop(known);
        let mut known = self.requests.write().unwrap_or_else(|e| e.into_inner());
        let meters = known.entry(route.to_owned()).or_default();
        if find(meters, method, status).is_none() {
            meters.push(Meter::new(route, method, status));
        }
        if let Some(meter) = find(meters, method, status) {
            meter.count(seconds);
        }
    }
}

impl Default for Meters {
    fn default() -> Self {
        Self::new()
    }
}

fn find<'a>(meters: &'a [Meter], method: &str, status: StatusCode) -> Option<&'a Meter> {
    meters.iter().find(|meter| meter.status == status && meter.method == method)
}

impl Meter {
    fn new(route: &str, method: &'static str, status: StatusCode) -> Self {
        let labels = [
            ("method", method.to_owned()),
            ("route", route.to_owned()),
            ("status", status.as_u16().to_string()),
        ];
        Self {
            method,
            status,
            requests: metrics::counter!("whereof_http_requests_total", &labels),
            seconds: metrics::histogram!("whereof_http_request_seconds", &labels),
        }
    }

    fn count(&self, seconds: f64) {
        self.requests.increment(1);
        self.seconds.record(seconds);
    }
}

/// The name of a method. Clients may make up any; those count as one, so that they fill no memory.
fn name(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::HEAD => "HEAD",
        Method::OPTIONS => "OPTIONS",
        Method::TRACE => "TRACE",
        Method::CONNECT => "CONNECT",
        _ => "other",
    }
}
