//! A small HTTP client for tests, and the `ui` server of a test's cluster.

use std::process::Command;
use std::time::Duration;

use serde_json::Value;

use crate::cluster::{Cluster, LONG};
use crate::process::{Process, fulmar};
use crate::{ports, wait};

/// The web server of a cluster. Dropping it ends it.
pub struct Ui {
    /// Its process.
    pub process: Process,
    /// `http://127.0.0.1:PORT`.
    pub base: String,
    client: reqwest::blocking::Client,
}

impl Ui {
    /// Starts `fulmar ui` for a cluster and waits until it answers.
    ///
    /// # Panics
    /// When it does not.
    pub fn start(cluster: &Cluster) -> Self {
        let port = ports::free(1)[0];
        let mut command = Command::new(fulmar());
        command.args(["ui", "--nimbus", &cluster.address()]);
        command.args(["--port", &port.to_string()]);
        let process = Process::start("ui", &mut command, cluster.dir.path());
        let client = reqwest::blocking::Client::builder()
            .no_proxy()
            .timeout(Duration::from_secs(20))
            .build()
            .expect("a client");
        let base = format!("http://127.0.0.1:{port}");
        let ui = Self {
            process,
            base,
            client,
        };
        wait::wait_until("the web server", LONG, || {
            let answer = ui.client.get(format!("{}/readyz", ui.base)).send();
            answer.is_ok_and(|a| a.status().is_success())
        });
        ui
    }

    /// Status and JSON of a path.
    ///
    /// # Panics
    /// When there is no answer, or it is no JSON.
    pub fn get(&self, path: &str) -> (u16, Value) {
        let request = self.client.get(format!("{}{path}", self.base));
        answer(path, request)
    }

    /// Status and JSON of a POST, as from a page of `origin` if one is given.
    ///
    /// # Panics
    /// When there is no answer, or it is no JSON.
    pub fn post(&self, path: &str, origin: Option<&str>) -> (u16, Value) {
        let mut request = self.client.post(format!("{}{path}", self.base));
        if let Some(origin) = origin {
            request = request.header("Origin", origin);
        }
        answer(path, request)
    }
}

fn answer(path: &str, request: reqwest::blocking::RequestBuilder) -> (u16, Value) {
    let answer = request.send().unwrap_or_else(|e| panic!("{path}: {e}"));
    let status = answer.status().as_u16();
    let text = answer.text().expect("a body");
    let body = serde_json::from_str(&text).unwrap_or_else(|e| panic!("{path}: {e}: {text}"));
    (status, body)
}
