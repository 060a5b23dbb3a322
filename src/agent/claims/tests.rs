//! Accounts of changes as tables: what was made, and what is said of it.

use super::{Kind::*, *};

#[test]
fn accounts_of_changes_are_recognised_and_other_sentences_are_not() {
    let nothing = Made::default();
    for claim in [
        "I've set the priority to high.",
        "Done. I have now updated MOB-12 and assigned it to @maya.",
        "- I added the label bug",
        "I just created a work item for the test.",
        "We've closed MOB-5.",
        "Ich habe die Priorität auf hoch gesetzt.",
        "Den Status habe ich auf „Erledigt“ geändert.",
        "Ich habe das Label und die Priorität geändert.",
        "J'ai ajouté un commentaire.",
        "He cambiado la prioridad a alta.",
    ] {
        assert!(tells_of_unmade(claim, &nothing), "{claim}");
    }
    for other in [
        "I suggest to set the priority to high.",
        "I would set the priority to high.",
        "Should I change the priority?",
        "I can add a label if you want.",
        "@bob set the priority to high yesterday.",
        "The priority was changed by @bob.",
        "I have read MOB-12 and its comments.",
        "I have changed nothing on MOB-12.",
        "I've added it up: 12 are open.",
        "Ich habe den Kommentar gelesen.",
        "Ich habe gesehen, dass Bob das Ticket geschlossen hat.",
        "J'ai lu le ticket.",
        "He leído la tarea.",
        "",
    ] {
        assert!(!tells_of_unmade(other, &nothing), "{other}");
    }
}

#[test]
fn an_account_of_one_change_is_not_made_true_by_another() {
    let cases: &[(&[Kind], &str)] = &[
        (&[Priority], "I've assigned it to Maya and closed MOB-5."),
        (&[Priority], "I've set the priority to high and assigned it to Maya."),
        (&[Priority], "I set the priority to high, closed the ticket."),
        (&[Priority], "I've set the priority to high. I also added the label bug."),
        (&[Priority], "I have commented: no, but I've closed MOB-5."),
        (&[Priority], "I've created MOB-77."),
        (&[Priority], "I created a follow-up task for Maya."),
        (&[Priority], "I've deleted MOB-5."),
        (&[Comment], "I deleted the comment."),
        (&[Priority], "I've archived MOB-5."),
        (&[Priority], "I've linked MOB-5 to MOB-3."),
        (&[Priority], "I've moved MOB-5 to In Progress."),
        (&[Priority], "I've changed the due date of MOB-5."),
        (&[Priority], "I've added a comment to MOB-5."),
        (&[Comment], "I've added the label bug."),
        (&[State], "I've labelled MOB-5 as a bug."),
        (&[State], "I have renamed the ticket."),
        (&[Priority], "Ich habe die Priorität gesetzt und das Ticket Maya zugewiesen."),
        (&[Priority], "Ich habe MOB-5 geschlossen."),
        (&[Priority], "Ich habe ein neues Ticket erstellt."),
        (&[Priority], "J'ai assigné le ticket à Maya."),
        (&[Priority], "J'ai mis la priorité à haute et fermé le ticket."),
        (&[Priority], "He cambiado la prioridad y he cerrado la tarea."),
    ];
    for (made, text) in cases {
        assert!(tells_of_unmade(text, &Made::of(made)), "{made:?}: {text}");
    }
}

#[test]
fn a_true_account_passes_and_so_does_an_unclear_one() {
    let cases: &[(&[Kind], &str)] = &[
        (&[Priority], "I've set the priority to high."),
        (&[Priority], "I've updated MOB-5."),
        (&[Priority], "I've moved MOB-5 up to urgent."),
        (&[Priority], "I've set it to high and completed the analysis of MOB-5."),
        (&[Priority], "I've set the priority to high, since closed items keep theirs."),
        (&[Priority], "I set the priority to high and @bob closed MOB-5."),
        (&[Priority], "I set the priority to high and closed items of MOB stay as they are."),
        (&[Priority], "I've created a summary of the ticket."),
        (&[Priority], "I've linked the tickets below."),
        (&[Priority], "Ich habe die Priorität gesetzt, weil Bob das Ticket geschlossen hat."),
        (&[Priority], "Ich habe die Priorität gesetzt und Bob hat das Ticket geschlossen."),
        (&[Priority], "Ich habe eine Zusammenfassung von MOB-5 erstellt."),
        (&[Priority, Labels], "I've set the priority, the labels and left the state as it is."),
        (&[Assignees, State], "I've assigned it to Maya and closed MOB-5."),
        (&[Cycle], "I've assigned MOB-5 to the current cycle."),
        (&[Labels], "I've assigned the label bug."),
        (&[Cycle], "I've moved MOB-5 to the next one."),
        (&[Archived], "I've closed MOB-5."),
        (&[Relation], "I've marked MOB-5 as a duplicate of MOB-3."),
        (&[Relation], "I've linked MOB-5 to MOB-3."),
        (&[Comment], "I posted a status update on MOB-5."),
        (&[Comment], "I've added a link to MOB-3."),
        (&[Description], "I've added the due date and the estimate to the text of MOB-5."),
        (&[Comment, Deleted], "I've deleted the comment."),
        (&[Labels, Deleted], "I've deleted the label bug."),
        (&[Created, State, Title], "I've created MOB-77 and set its state to Backlog."),
        (&[Page], "I've created a page about the crash in MOB-5."),
        (&[Link], "I've added the link to MOB-5."),
        (&[Intake], "I've moved MOB-5 out of the intake."),
        (&[Labels], "Ich habe das Label hinzugefügt."),
        (&[State], "Den Status habe ich auf „Erledigt“ geändert."),
        (&[Description], "J'ai mis à jour le ticket."),
        (&[Priority, State], "He cambiado la prioridad y he cerrado la tarea."),
    ];
    for (made, text) in cases {
        assert!(!tells_of_unmade(text, &Made::of(made)), "{made:?}: {text}");
    }
}
