//! No space left: what cannot be kept is refused, and what was acknowledged is not lost.

use std::{fs, process::Command};

use aileron::{domain::ids::RunId, sandbox::Mention};

use crate::support::{
    app::TestApp,
    model::{Gate, Piece, Turn},
    within,
};

#[tokio::test]
async fn a_full_disk_is_told_and_nothing_acknowledged_is_lost() {
    let gate = Gate::new();
    let mut app = TestApp::setup()
        .script([Turn::says("never").after(vec![Piece::Hold(gate.clone())]).when("hold on")])
        .rule(|_| Some(Turn::says("Still here.")))
        .plane(|options| options.rate_limit_per_minute = None)
        // A turn's first thought is said before the turn is written down, which here it cannot be.
        .tolerate("/0/0 twice")
        // The running turn keeps the process alive long enough to be asked whether it is ready.
        .set("AILERON__AGENT__DRAIN_MS", "4000")
        .start()
        .await;
    let held = app.mention("MOB-3", "hold on").await.run;
    gate.reached().await;

    let log = app.home().join("data/store/db");
    limit_files_to(&app, fs::metadata(&log).unwrap().len() + 100_000);
    let mut acknowledged = vec![held];
    let refused = within("a webhook that cannot be stored", fill_up(&app, &mut acknowledged)).await;
    assert_eq!(refused, 503);
    let ready = app.get("/readyz").await;
    assert_eq!(ready.status(), 503);
    assert!(ready.text().await.unwrap().starts_with("not ready: the store does not work"));
    assert_eq!(app.get("/healthz").await.status(), 200);

    assert!(!app.exit().await.success());
    assert!(app.log().contains("the store stopped working"), "{}", app.log());

    app.serve().await;
    for run in acknowledged {
        app.ended(run).await;
        app.plane.redeliver(run).await;
    }
    app.fence().await;
    assert_eq!(app.plane.run(held).terminal_count(), 1);
}

/// As full as a disk can be made without being root: no file of the agent may grow beyond this.
fn limit_files_to(app: &TestApp, bytes: u64) {
    let limited = Command::new("prlimit")
        .args(["--pid", &app.process_id().to_string(), &format!("--fsize={bytes}:")])
        .status()
        .expect("prlimit is a part of util-linux");
    assert!(limited.success());
}

/// Mentions the agent until a webhook is not answered with 200, and returns that status.
async fn fill_up(app: &TestApp, acknowledged: &mut Vec<RunId>) -> u16 {
    let long = "words ".repeat(5000);
    loop {
        let mentioned = app.plane.mention(Mention::new("MOB-4", &long)).await;
        if mentioned.statuses.contains(&200) {
            acknowledged.push(mentioned.run);
        }
        if let Some(status) = mentioned.statuses.iter().find(|status| **status != 200) {
            return *status;
        }
    }
}
