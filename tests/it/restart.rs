//! Nothing accepted is lost and nothing happens twice, whatever ends the process.

use std::time::Duration;

use aileron::sandbox::{Breakage, Mention, RunPicture};
use serde_json::json;

use crate::support::{
    LIMIT,
    app::{Channel, TestApp, on_both_channels},
    http,
    model::{Captured, Gate, Piece, Turn},
    picture::{assert_answered, assert_ended},
    within,
};

on_both_channels! {
    sigterm_hands_a_running_turn_back_and_the_next_start_finishes_it,
    sigterm_lets_a_turn_finish_that_needs_only_a_moment,
    an_accepted_prompt_survives_a_kill_right_after_the_200,
    a_kill_at_any_moment_still_ends_in_exactly_one_answer,
    an_answer_posted_right_before_a_kill_is_not_posted_again,
    a_conversation_goes_on_after_a_restart,
    a_question_is_answered_after_a_kill,
    what_was_sent_while_the_agent_was_down_is_answered_when_it_is_sent_again,
    a_second_sigterm_ends_the_agent_at_once_and_loses_nothing,
}

async fn sigterm_hands_a_running_turn_back_and_the_next_start_finishes_it(channel: Channel) {
    let gate = Gate::new();
    let mut app = channel
        .start([Turn::says("never").after(vec![Piece::Hold(gate.clone())]), Turn::says("After the restart.")])
        .await;
    let mentioned = app.mention("MOB-3", "hello").await;
    gate.reached().await;
    assert_eq!(app.sigterm().await.code(), Some(0));
    assert_eq!(app.plane.run(mentioned.run).terminal_count(), 0);
    app.serve().await;
    assert_eq!(assert_answered(&app.ended(mentioned.run).await), "After the restart.");
    app.fence().await;
    assert_eq!(app.plane.run(mentioned.run).terminal_count(), 1);
}

async fn sigterm_lets_a_turn_finish_that_needs_only_a_moment(channel: Channel) {
    let gate = Gate::new();
    let mut app = channel
        .setup()
        .script([Turn::says("In time.").after(vec![Piece::Hold(gate.clone())])])
        .set("AILERON__AGENT__DRAIN_MS", "15000")
        .start()
        .await;
    let mentioned = app.mention("MOB-3", "hello").await;
    gate.reached().await;
    app.signal("TERM");
    gate.open();
    assert_eq!(app.exit().await.code(), Some(0));
    assert_eq!(assert_answered(&app.plane.run(mentioned.run)), "In time.");
    app.serve().await;
    app.fence().await;
    assert_eq!(app.plane.run(mentioned.run).terminal_count(), 1);
}

#[tokio::test]
async fn an_idle_agent_stops_at_once_with_success() {
    let mut app = TestApp::setup().set("AILERON__AGENT__DRAIN_MS", "600000").start().await;
    assert_eq!(app.sigterm().await.code(), Some(0));
}

async fn an_accepted_prompt_survives_a_kill_right_after_the_200(channel: Channel) {
    let mut app = channel.setup().rule(|_| Some(Turn::says("Still here."))).start().await;
    let mentioned = app.mention("MOB-3", "hello").await;
    app.kill().await;
    app.serve().await;
    assert_eq!(assert_answered(&app.ended(mentioned.run).await), "Still here.");
}

/// Kills the agent after each of the turn's activities in turn: at a random moment, and with the
/// activity posted but its receipt still on the way.
async fn a_kill_at_any_moment_still_ends_in_exactly_one_answer(channel: Channel) {
    let mut app = channel
        .setup()
        .rule(two_tools_then_an_answer)
        .plane(|options| options.rate_limit_per_minute = None)
        // The first thought of a turn is said before the turn is written down, so a kill between the
        // two says it again. Plane shows one thought at a time, nobody sees it twice.
        .tolerate("/1/0/0 twice")
        .start()
        .await;
    // A turn shows a thought, twice an action with its result, and the answer: the sweep ends past it.
    for round in 0..14 {
        let (activities, without_receipt) = (round / 2, round % 2 == 1);
        let mentioned = app.mention("MOB-3", &format!("round {round}")).await;
        let shown = move |count: usize| {
            move |picture: &RunPicture| picture.activities.len() > count || picture.terminal_count() > 0
        };
        app.until(mentioned.run, "some activities", shown(activities)).await;
        if without_receipt {
            app.plane.inject(channel.at_last_word(100, Breakage::Delay(LIMIT)));
            app.until(mentioned.run, "one more activity", shown(activities + 1)).await;
        } else {
            tokio::time::sleep(Duration::from_millis(fastrand::u64(0..30))).await;
        }
        app.kill().await;
        app.plane.clear_faults();
        app.serve().await;
        assert_ended(&app.ended(mentioned.run).await, "response", "completed");
        app.plane.redeliver(mentioned.run).await;
        app.fence().await;
        let picture = app.plane.run(mentioned.run);
        assert_eq!(picture.terminal_count(), 1, "killed in round {round}:\n{}", picture.to_text());
    }
}

async fn an_answer_posted_right_before_a_kill_is_not_posted_again(channel: Channel) {
    let gate = Gate::new();
    let mut app = channel.start([Turn::says("Only once.").after(vec![Piece::Hold(gate.clone())])]).await;
    let mentioned = app.mention("MOB-3", "hello").await;
    gate.reached().await;
    app.plane.inject(channel.at_last_word(100, Breakage::Delay(LIMIT)));
    gate.open();
    app.ended(mentioned.run).await;
    app.kill().await;
    app.plane.clear_faults();
    app.serve().await;
    app.fence().await;
    assert_eq!(assert_answered(&app.plane.run(mentioned.run)), "Only once.");
}

async fn a_conversation_goes_on_after_a_restart(channel: Channel) {
    let mut app = channel.start([Turn::says("The password rule."), Turn::says("Twelve letters.")]).await;
    let mentioned = app.mention("MOB-3", "what is this about?").await;
    app.ended(mentioned.run).await;
    assert!(app.sigterm().await.success());
    app.serve().await;
    app.reply(mentioned.run, "how long must it be?").await;
    let picture = app.ended_times(mentioned.run, 2).await;
    assert_eq!(assert_answered(&picture), "Twelve letters.");
    assert!(app.model.until_request(2).await.mentions("The password rule."));
}

async fn a_question_is_answered_after_a_kill(channel: Channel) {
    let question = json!({"question": "Which one?", "options": ["A", "B"]});
    let mut app = channel.start([Turn::calls([("ask_user", question)]), Turn::says("B it is.")]).await;
    let mentioned = app.mention("MOB-3", "choose").await;
    assert_ended(&app.ended(mentioned.run).await, "elicitation", "awaiting");
    app.kill().await;
    app.serve().await;
    app.reply(mentioned.run, "B").await;
    let picture = app.ended_times(mentioned.run, 2).await;
    assert_eq!(assert_answered(&picture), "B it is.");
}

async fn what_was_sent_while_the_agent_was_down_is_answered_when_it_is_sent_again(channel: Channel) {
    let mut app = channel.start([Turn::says("Good morning.")]).await;
    app.kill().await;
    let mentioned = app.plane.mention(Mention::new("MOB-3", "hello")).await;
    assert_eq!(mentioned.statuses, vec![0; channel.events_of_a_mention()], "nobody answers");
    app.serve().await;
    app.plane.redeliver(mentioned.run).await;
    assert_eq!(assert_answered(&app.ended(mentioned.run).await), "Good morning.");
}

/// Decides by the conversation alone, so that it answers a repeated request as it did the first.
fn two_tools_then_an_answer(request: &Captured) -> Option<Turn> {
    let last_user = request.messages().iter().rposition(|message| message["role"] == "user")?;
    let results = request.messages()[last_user..].iter().filter(|message| message["role"] == "tool").count();
    Some(match results {
        0 => Turn::calls([("read_work_item", json!({"work_item": "MOB-1"}))]),
        1 => Turn::calls([("search_work_items", json!({"query": "crash"}))]),
        _ => Turn::says("Two tools later: done."),
    })
}

async fn a_second_sigterm_ends_the_agent_at_once_and_loses_nothing(channel: Channel) {
    let gate = Gate::new();
    let mut app = channel
        .setup()
        .script([Turn::says("never").after(vec![Piece::Hold(gate.clone())]), Turn::says("After the restart.")])
        .set("AILERON__AGENT__DRAIN_MS", "600000")
        .start()
        .await;
    let mentioned = app.mention("MOB-3", "hello").await;
    gate.reached().await;
    app.signal("TERM");
    let refused = async { while http::client().get(app.url("/healthz")).send().await.is_ok() {} };
    within("the end of the intake", refused).await;
    let unheard = app.plane.mention(Mention::new("MOB-4", "too late")).await;
    assert_eq!(unheard.statuses, vec![0; channel.events_of_a_mention()], "nothing is accepted any more");
    let told = std::time::Instant::now();
    assert_eq!(app.sigterm().await.code(), Some(1));
    println!("the second SIGTERM ended it after {:?}", told.elapsed());
    assert_eq!(app.plane.run(mentioned.run).terminal_count(), 0);

    app.serve().await;
    assert_eq!(assert_answered(&app.ended(mentioned.run).await), "After the restart.");
    app.fence().await;
    assert_eq!(app.plane.run(mentioned.run).terminal_count(), 1);
}
