//! A headless Chromium, driven over the WebDriver protocol.

use std::process::Stdio;

use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, Command},
};

use super::{http, within};

/// One browser window. Dropping it ends the browser and its driver.
pub(crate) struct Browser {
    driver: Child,
    session: String,
    _profile: TempDir,
}

impl Browser {
    /// Opens a window, or says why the machine has no browser to open.
    pub(crate) async fn open() -> Result<Self, String> {
        let profile = TempDir::new().unwrap();
        let mut driver = Command::new("chromedriver")
            .args(["--port=0", "--allowed-origins=*"])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            // A group of its own, so that the browser ends with its driver whatever happens.
            .process_group(0)
            .spawn()
            .map_err(|error| format!("chromedriver does not start: {error}"))?;
        let mut lines = BufReader::new(driver.stdout.take().unwrap()).lines();
        let port = within("the port of chromedriver", async {
            loop {
                let line = lines.next_line().await.unwrap().expect("chromedriver tells its port");
                if let Some((_, port)) = line.split_once("started successfully on port ") {
                    return port.trim_end_matches('.').to_owned();
                }
            }
        })
        .await;
        let mut browser = Self { driver, session: format!("http://127.0.0.1:{port}/session"), _profile: profile };
        let data = format!("--user-data-dir={}", browser._profile.path().display());
        let arguments = [
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--disable-background-networking",
            "--no-first-run",
            "--window-size=1280,900",
            &data,
        ];
        let capabilities = json!({"capabilities": {"alwaysMatch": {"goog:chromeOptions": {"args": arguments}}}});
        let created = browser.command("", &capabilities).await?;
        let id = created["sessionId"].as_str().ok_or("no session id")?;
        browser.session = format!("{}/{id}", browser.session);
        Ok(browser)
    }

    pub(crate) async fn go(&self, address: &str) {
        self.command("/url", &json!({"url": address})).await.unwrap();
    }

    /// Runs a script in the page and returns what it returns.
    pub(crate) async fn run(&self, script: &str) -> Value {
        self.command("/execute/sync", &json!({"script": script, "args": []})).await.unwrap()
    }

    /// Awaits that an expression becomes true in the page; woken by changes of the page.
    pub(crate) async fn until(&self, what: &str, condition: &str) {
        let script = format!(
            "const done = arguments[arguments.length - 1];
             const met = () => {{ try {{ return !!({condition}); }} catch {{ return false; }} }};
             if (met()) return done(true);
             const watch = new MutationObserver(() => {{ if (met()) {{ watch.disconnect(); done(true); }} }});
             watch.observe(document, {{subtree: true, childList: true, attributes: true, characterData: true}});
             setTimeout(() => {{ watch.disconnect(); done(met()); }}, 15000);"
        );
        let met = self.command("/execute/async", &json!({"script": script, "args": []})).await.unwrap();
        if met != true {
            let page = self.run("return document.body.innerText").await;
            panic!("{what} did not happen on the page:\n{}", page.as_str().unwrap_or_default());
        }
    }

    /// Types into the element a selector finds, as a person does.
    pub(crate) async fn write(&self, selector: &str, text: &str) {
        let element = self.find(selector).await;
        self.command(&format!("/element/{element}/value"), &json!({"text": text})).await.unwrap();
    }

    pub(crate) async fn click(&self, selector: &str) {
        let element = self.find(selector).await;
        self.command(&format!("/element/{element}/click"), &json!({})).await.unwrap();
    }

    async fn find(&self, selector: &str) -> String {
        let found = self.command("/element", &json!({"using": "css selector", "value": selector})).await.unwrap();
        let id = found.as_object().and_then(|object| object.values().next()).and_then(Value::as_str);
        id.expect("an element reference").to_owned()
    }

    async fn command(&self, path: &str, body: &Value) -> Result<Value, String> {
        let sent = http::client().post(format!("{}{path}", self.session)).json(body).send();
        let answer: Value = within(path, sent).await.map_err(|error| error.to_string())?.json().await.unwrap();
        match answer["value"]["error"].as_str() {
            Some(error) => Err(format!("{path}: {error}: {}", answer["value"]["message"])),
            None => Ok(answer["value"].clone()),
        }
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        if let Some(pid) = self.driver.id() {
            let group = format!("-{pid}");
            let ended = std::process::Command::new("kill").args(["-KILL", "--", &group]).status();
            drop(ended);
        }
    }
}
