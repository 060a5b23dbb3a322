//! The built binary as a server of its own, and signed webhooks for it.

use std::{
    fs,
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
};

use hmac::{Hmac, KeyInit, Mac};
use serde_json::json;
use sha2::Sha256;
use uuid::Uuid;

const SECRET: &str = "plane_wh_bench";
pub(crate) const WORKSPACE: Uuid = Uuid::from_u128(7);

/// Killed when dropped.
pub(crate) struct Server {
    child: Child,
    pub(crate) url: String,
}

impl Server {
    /// Returns when the server listens.
    pub(crate) fn start(home: &Path) -> Self {
        Self::start_with(home, &[])
    }

    /// As [`Self::start`], with more of the environment.
    pub(crate) fn start_with(home: &Path, more: &[(&str, &str)]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_aileron"))
            .arg("serve")
            .env_clear()
            .current_dir(home)
            .envs([
                ("AILERON_LISTEN", "127.0.0.1:0"),
                ("DATA_DIR", "data"),
                // Nobody listens there: what is measured ends with the acknowledgement.
                ("PLANE_API_URL", "http://127.0.0.1:9"),
                ("PLANE_WEBHOOK_SECRET", SECRET),
                ("AILERON__PLANE__FIXED__TOKEN", "token"),
                ("AILERON__PLANE__FIXED__WORKSPACE_SLUG", "bench"),
                ("AILERON__PLANE__FIXED__WORKSPACE_ID", "00000000-0000-0000-0000-000000000007"),
                ("AILERON__PROVIDERS__BENCH__KIND", "rehearsal"),
                ("AILERON__MODELS__BENCH__PROVIDER", "bench"),
                ("AILERON__AGENT__MODEL", "bench"),
                // The runs stay where they are, so that only what acknowledges them is measured.
                ("AILERON__AGENT__PROMPT_GRACE_MS", "600000"),
            ])
            .envs(more.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(fs::File::create(home.join("stderr.log")).expect("a log"))
            .spawn()
            .expect("the binary starts");
        let mut lines = BufReader::new(child.stdout.take().expect("standard output")).lines();
        let url = lines.find_map(|line| Some(line.ok()?.split_once("listens on ")?.1.to_owned()));
        let log = || fs::read_to_string(home.join("stderr.log")).unwrap_or_default();
        let url = url.unwrap_or_else(|| panic!("the server did not start: {}", log()));
        Self { child, url }
    }

    /// Resident memory in KiB, as the kernel counts it.
    pub(crate) fn resident_kib(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).expect("a running process");
        let line = status.lines().find(|line| line.starts_with("VmRSS")).expect("a resident size");
        line.split_whitespace().nth(1).and_then(|number| number.parse().ok()).expect("a number")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The body and signature of the creation of a run, with a kilobyte of ballast.
pub(crate) fn webhook() -> (String, String) {
    let body = json!({
        "agent_run": { "id": Uuid::new_v4(), "workspace": WORKSPACE, "ballast": "x".repeat(1000) },
        "workspace_id": WORKSPACE,
    })
    .to_string();
    let mut mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).expect("any key will do");
    mac.update(body.as_bytes());
    let signature = hex::encode(mac.finalize().into_bytes());
    (body, signature)
}

pub(crate) fn client() -> reqwest::Client {
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder().no_proxy().build().expect("a client")
}
