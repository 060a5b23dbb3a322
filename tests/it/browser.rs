//! The demo page in a real browser: a person writes a comment and watches the run.

use tempfile::TempDir;

use crate::support::{
    binary::{Running, Settings},
    browser::Browser,
};

#[tokio::test]
async fn a_person_asks_on_the_demo_page_and_watches_the_run_to_its_answer() {
    let browser = match Browser::open().await {
        Ok(browser) => browser,
        Err(reason) if required() => panic!("the browser is required: {reason}"),
        Err(reason) => {
            println!("skipped, there is no browser to use: {reason}");
            return;
        }
    };
    let home = TempDir::new().unwrap();
    let mut demo = Running::start(home.path(), &["demo", "--listen", "127.0.0.1:0"], &Settings::new());
    let page = demo.line_after("demo page: ").await.expect("the address of the page");
    browser.go(&page).await;
    browser.until("the list of work items", "document.querySelector('#items a[href=\"#MOB-3\"]')").await;
    browser.click("#items a[href=\"#MOB-3\"]").await;
    browser.until("the work item", "document.querySelector('#item h1').innerText.includes('crashes')").await;

    browser.write("#text", "@aileron please triage this <img src=x onerror=\"document.title='HURT'\">").await;
    browser.click("#send").await;
    browser.until("the end of the run", "document.querySelector('.run .badge').dataset.status === 'completed'").await;
    // The steps are folded once the answer is there.
    browser.run("document.querySelectorAll('.run details').forEach((details) => details.open = true)").await;
    let text = |selector: &str| format!("return document.querySelector('{selector}')?.innerText ?? ''");
    for (what, selector) in [
        ("a thought", ".run .thought"),
        ("an action", ".run .tool"),
        ("its result", ".run .result"),
        ("the response", ".run .comment .prose"),
        ("the label of the rehearsal", "#banner"),
    ] {
        let shown = browser.run(&text(selector)).await;
        assert!(!shown.as_str().unwrap_or_default().trim().is_empty(), "{what} is not shown");
    }
    let title = browser.run("return document.title").await;
    assert!(!title.as_str().unwrap().contains("HURT"), "what a person writes is never run");
    demo.signal("TERM");
    assert_eq!(demo.exit().await.code(), Some(0), "an open page does not keep the demo alive");
}

#[expect(clippy::disallowed_methods, reason = "whoever runs the tests says here that skipping is a failure")]
fn required() -> bool {
    std::env::var("AILERON_REQUIRE_BROWSER").is_ok_and(|value| value == "1")
}
