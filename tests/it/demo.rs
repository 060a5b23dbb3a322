//! `aileron demo`: the whole agent in one process, with no key, no network and no Plane.

use tempfile::TempDir;

use crate::support::{
    binary::{self, Running, Settings},
    http,
};

#[tokio::test]
async fn demo_once_prints_a_whole_run_and_ends_with_success() {
    prints_a_whole_run("commercial").await;
}

#[tokio::test]
async fn demo_once_does_so_in_comments_too() {
    prints_a_whole_run("community").await;
}

async fn prints_a_whole_run(edition: &str) {
    let home = TempDir::new().unwrap();
    let arguments = ["demo", "--edition", edition, "--once", "@aileron please triage this"];
    let shown = binary::run(home.path(), &arguments, &Settings::new()).await;
    assert!(shown.status.success(), "{}\n{}", shown.stdout, shown.stderr);
    let text = shown.stdout.to_lowercase();
    for part in ["thought", "action", "→", "response", "rehearsal"] {
        assert!(text.contains(part), "no {part} in:\n{}", shown.stdout);
    }
    let at = |part: &str| text.find(part);
    assert!(at("thought") < at("action") && at("action") < text.rfind("response"), "{}", shown.stdout);
    assert!(!shown.stderr.contains("panicked"), "{}", shown.stderr);
    let left = std::fs::read_dir(home.path()).unwrap().count();
    assert_eq!(left, 0, "the demo leaves nothing behind where it was started");
}

#[tokio::test]
async fn demo_once_says_the_same_thing_twice() {
    let home = TempDir::new().unwrap();
    let arguments = ["demo", "--once", "@aileron please triage this"];
    let settings = Settings::new();
    let (first, second) =
        tokio::join!(binary::run(home.path(), &arguments, &settings), binary::run(home.path(), &arguments, &settings));
    assert_eq!(portless(answer(&first.stdout)), portless(answer(&second.stdout)));
    assert!(answer(&first.stdout).len() > 100, "{}", first.stdout);
}

#[tokio::test]
async fn the_demo_page_is_served_until_the_demo_is_stopped() {
    let home = TempDir::new().unwrap();
    let mut demo = Running::start(home.path(), &["demo", "--listen", "127.0.0.1:0"], &Settings::new());
    let page = demo.line_after("demo page: ").await.expect("the address of the page");
    let response = http::client().get(&page).send().await.unwrap();
    assert_eq!(response.status(), 200);
    assert!(response.text().await.unwrap().contains("aileron"));
    demo.signal("TERM");
    assert_eq!(demo.exit().await.code(), Some(0));
}

/// The response alone: how many progress notes fit before it is a matter of timing.
fn answer(stdout: &str) -> &str {
    let start = stdout.find("\nresponse\n").unwrap_or_default();
    let end = stdout.find("\nThe run is ").unwrap_or(stdout.len());
    &stdout[start..end]
}

/// Links lead to the demo's own address, whose port is another each time.
fn portless(text: &str) -> String {
    let mut parts = text.split("http://127.0.0.1:");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |told, part| told + part.trim_start_matches(|c: char| c.is_ascii_digit()))
}
