//! The table of Plane's HTML, node by node, and what hostile HTML may not do.

use proptest::prelude::*;

use super::*;

const MAYA: &str = "44444444-4444-4444-8444-444444444444";
const BOT: &str = "88888888-8888-4888-8888-888888888888";

fn people(user: UserId) -> Option<String> {
    (user.to_string() == MAYA).then(|| "maya".to_owned())
}

fn markdown(html: &str) -> String {
    to_markdown(html, &people, 10_000)
}

fn prompt(body: &str) -> String {
    prompt_text(body, Some(BOT.parse().unwrap()), &people)
}

fn mention(user: &str) -> String {
    format!(
        r#"<mention-component id="77777777-7777-4777-8777-777777777777" entity_identifier="{user}" entity_name="user_mention"></mention-component>"#
    )
}

#[test]
fn a_whole_document_of_the_editor_becomes_markdown() {
    let html = format!(
        r#"<div><p class="editor-paragraph-block">Hi {}, please <strong>fix</strong> <a target="_blank" href="https://ex.com/a_b">a_b</a> &amp; <code>x &lt; y</code>.</p>
<h2>Steps</h2>
<ol class="list-decimal"><li><p>one</p><ul><li><p>nested</p></li><li><p>again</p></li></ul></li><li><p>two</p><p>more</p></li></ol>
<ul data-type="taskList"><li data-checked="true" data-type="taskItem"><label><input type="checkbox" checked="checked"><span></span></label><div><p>done</p></div></li><li data-checked="false" data-type="taskItem"><label><input type="checkbox"><span></span></label><div><p>todo</p></div></li></ul>
<pre class="hljs"><code class="language-rust">fn main() {{
    println!("*hi*");
}}
</code></pre>
<table><tbody><tr><th colspan="1"><p>A</p></th><th><p>B</p></th></tr><tr><td><p>1 | x</p></td><td><p>2</p><p>3</p></td></tr></tbody></table>
<image-component src="asset-uuid" width="50%"></image-component>
<blockquote><p>quoted</p><p>twice</p></blockquote><div data-type="horizontalRule"><div></div></div>
<div data-block-type="callout-component" data-emoji-unicode="128161"><p>Note!</p></div>
<issue-embed-component entity_identifier="MOB-2"></issue-embed-component>
<p>line1<br>line2 <span data-type="emoji" data-name="rocket">🚀</span> <em>it</em> <s>old</s></p><script>alert(1)</script><style>p{{}}</style></div>"#,
        mention(MAYA)
    );
    let expected = "Hi @maya, please **fix** [a_b](https://ex.com/a_b) & `x < y`.

## Steps

1. one
   - nested
   - again
2. two

   more

- [x] done
- [ ] todo

```rust
fn main() {
    println!(\"*hi*\");
}
```

| A | B |
| --- | --- |
| 1 \\| x | 2 3 |

[image: asset-uuid]

> quoted
>
> twice

---

> Note!

[work item MOB-2]

line1
line2 :rocket: *it* ~~old~~";
    assert_eq!(markdown(&html), expected);
}

#[test]
fn lists_nest_and_number_from_their_start() {
    assert_eq!(markdown("<ol start=\"9\"><li>a<ol><li>b</li></ol></li><li>c</li></ol>"), "9. a\n   1. b\n10. c");
    assert_eq!(markdown("<ul><li></li><li>x</li></ul><p>after</p>"), "- \n- x\n\nafter".trim());
    assert_eq!(markdown("<ul><li><pre>a\nb</pre></li></ul>"), "- ```\n  a\n  b\n  ```");
}

#[test]
fn code_cannot_break_out_of_its_fence() {
    let html = "<pre><code language=\"sh\">a\n```\nb\n````\nc</code></pre><p>x <code>a`b</code></p>";
    assert_eq!(markdown(html), "`````sh\na\n```\nb\n````\nc\n`````\n\nx ``a`b``");
    let html = "<pre><code class=\"language-a`b\">x</code></pre>";
    assert_eq!(markdown(html), "```\nx\n```");
}

#[test]
fn only_addresses_people_may_follow_become_links() {
    assert_eq!(markdown(r#"<a href="javascript:alert(1)">x</a>"#), "x");
    assert_eq!(markdown(r#"<a href="https://a.b/(c) d">x</a>"#), "[x](https://a.b/%28c%29%20d)");
    assert_eq!(markdown(r#"<a href="mailto:a@b.c">mail</a>"#), "[mail](mailto:a@b.c)");
    assert_eq!(markdown(r#"<a href="https://a.b/c">https://a.b/c</a>"#), "https://a.b/c");
    assert_eq!(markdown(r#"see <a href="https://a.b/c"> </a>this"#), "see this");
}

#[test]
fn marks_hug_their_text_and_empty_ones_vanish() {
    assert_eq!(markdown("a<strong> b </strong>c<em></em> d"), "a **b** c d");
    assert_eq!(markdown("<p><strong><em>x</em></strong></p>"), "***x***");
}

#[test]
fn people_unknown_here_are_written_by_a_part_of_their_id() {
    assert_eq!(markdown(&mention(BOT)), "@user:88888888");
    assert_eq!(
        markdown(r#"<mention-component entity_identifier="x" entity_name="user_mention"></mention-component>"#),
        "@unknown"
    );
    assert_eq!(
        markdown(r#"<mention-component entity_identifier="x" entity_name="page_mention"></mention-component>"#),
        "[page_mention x]"
    );
}

#[test]
fn images_are_named_by_what_is_known_of_them() {
    assert_eq!(markdown(r#"<img alt="a  cat" src="x">"#), "[image: a cat]");
    assert_eq!(markdown(r#"<img src="data:image/png;base64,AAAA">"#), "[image: unnamed]");
}

#[test]
fn scripts_and_styles_and_their_kind_say_nothing() {
    assert_eq!(markdown("<p>a <b>b</b></p><script>SECRET</script><style>SECRET</style>"), "a **b**");
    for name in ["svg", "textarea", "iframe", "title", "noscript", "template", "object"] {
        let text = markdown(&format!("<p>a</p><{name}>SECRET</{name}>"));
        assert!(text.starts_with('a') && !text.contains("SECRET"), "{text}");
    }
    assert_eq!(markdown("a<!-- SECRET -->b"), "ab");
    assert_eq!(markdown("a <b onclick=\"SECRET\">b</b>"), "a **b**");
}

#[test]
fn a_long_text_is_cut_and_the_cut_is_told() {
    let text = to_markdown(&format!("<p>{}</p>", "word ".repeat(100)), &people, 50);
    let (kept, note) = text.split_once("\n\n").unwrap();
    assert!(kept.chars().count() <= 50 && kept.starts_with("word word"), "{kept}");
    assert_eq!(note, "[… 449 more characters]");
    let text = to_markdown("<pre>abc\ndef\nghi</pre>", &people, 10);
    assert_eq!(text, "```\nabc\nde\n```\n\n[… 5 more characters]");
}

#[test]
fn a_cut_cell_still_shows_what_fits() {
    let text = to_markdown(&format!("<table><tr><td>{}</td></tr></table>", "word ".repeat(100)), &people, 60);
    assert!(text.starts_with("| word word") && text.ends_with("more characters]"), "{text}");
}

#[test]
fn what_is_too_large_or_too_deep_comes_back_as_bare_text() {
    for html in [
        format!("{}<p>kept &amp; safe</p><script>SECRET</script>", "<div>".repeat(3_000)),
        format!("{}<p>kept &amp; safe</p><script>SECRET</script>", "<b x></i>".repeat(300)),
        format!("<p>kept &amp; safe</p><script>SECRET</script><img {}>", "a=1 ".repeat(10_000)),
        format!("<p>kept &amp; safe</p><!-- {} -->", "x".repeat(300_000)),
    ] {
        let text = markdown(&html);
        assert!(text.starts_with("kept & safe\n\n[… formatting left out"), "{:.100}", text);
    }
}

#[test]
fn the_guard_is_not_deceived_about_depth() {
    let deep = "<div>".repeat(2_000);
    let closed = "</div>".repeat(100);
    for html in [
        format!("<!-->{deep}-->"),
        format!("<!--->{deep}-->"),
        format!("<i =\">{deep}\">"),
        format!("<script><!--<script></script>{deep}"),
        r#"<div a= "></div>">"#.repeat(500),
        "<div></div >".repeat(10) + &"<div></span>".repeat(500),
        "<span><p></span>".repeat(500),
        format!("{}<table><tr><td>{closed}", "<div>".repeat(100)).repeat(5),
        format!("<svg><style>{deep}"),
        format!("<style>{}</style>{deep}", "</div>".repeat(2_000)),
    ] {
        assert!(!guard::is_tame(&html), "{html:.80}");
    }
    for html in ["<p>a</p>".repeat(2_000), "<ul><li>a<li>b<p>c</ul>".repeat(500), "<p><b a='>'>x</b></p>".repeat(500)] {
        assert!(guard::is_tame(&html), "{html:.80}");
    }
}

#[test]
fn what_the_guard_lets_through_fits_a_small_stack() {
    let depth = 250;
    let samples = [
        format!("{}x", "<div>".repeat(depth)),
        format!("{}x", "<ul><li>".repeat(depth / 2)),
        format!("{}x", "<table><td>".repeat(depth / 2)),
        format!("{}x", "<blockquote><p>".repeat(depth / 2)),
        format!("{}{}", "<b>".repeat(12), "<p>x</p>".repeat(20_000)),
    ];
    let thread = std::thread::Builder::new().stack_size(1 << 20);
    let handle = thread.spawn(move || samples.map(|html| to_markdown(&html, &people, 2_000)));
    for text in handle.unwrap().join().unwrap() {
        assert!(text.contains('x') || text.contains("more characters"), "{text}");
    }
}

#[test]
fn a_prompt_loses_the_mention_it_starts_with() {
    let bot = mention(BOT);
    assert_eq!(prompt(&format!("<p>{bot} please triage this</p>")), "please triage this");
    assert_eq!(prompt(&format!("<div><p> {bot}, please</p><p>now</p></div>")), "please\n\nnow");
    assert_eq!(prompt(&format!("<p>ask {} and {bot}</p>", mention(MAYA))), "ask @maya and @user:88888888");
    assert_eq!(prompt(&format!("<p>{bot}</p>")), "");
}

#[test]
fn a_plain_mention_is_dropped_whole_or_not_at_all() {
    for (text, rest) in [
        ("@ai: /triage", Some("/triage")),
        ("@ai", Some("")),
        ("@ai, please", Some("please")),
        ("@aiden please", None),
        ("@ai-bot please", None),
        ("@ai.bot please", None),
        ("hello @ai", None),
    ] {
        assert_eq!(without_mention(text, "@ai"), rest, "{text}");
    }
}

#[test]
fn a_prompt_may_be_plain_text() {
    assert_eq!(prompt("  is 1 < 2 &amp; 3 > 2?\nyes "), "is 1 < 2 & 3 > 2?\nyes");
    assert_eq!(prompt("Stop"), "Stop");
    assert_eq!(prompt("a <b and no more"), "a <b and no more");
    assert_eq!(prompt("**bold** [x](y)"), "**bold** [x](y)");
    assert_eq!(prompt(""), "");
}

#[test]
fn mentioned_users_are_found_once_and_in_order() {
    let html = format!("<p>{}{}{}</p>", mention(MAYA), mention(BOT), mention(MAYA));
    let expected: Vec<UserId> = vec![MAYA.parse().unwrap(), BOT.parse().unwrap()];
    assert_eq!(mentioned_users(&html), expected);
    assert_eq!(mentioned_users(&format!("{}{html}", "<div>".repeat(1_000))), expected);
    assert_eq!(mentioned_users("<p>none</p>"), vec![]);
}

#[test]
fn a_text_that_names_thousands_is_read_once_and_names_a_hundred() {
    let many = |wrapped: &dyn Fn(&str) -> String| {
        let all: Vec<_> = (0..2_000_u128).map(|number| mention(&uuid::Uuid::from_u128(number).to_string())).collect();
        wrapped(&all.concat())
    };
    let tame = many(&|all| format!("<p>{all}</p>"));
    let wild = many(&|all| format!("{}{all}", "<div>".repeat(1_000)));
    assert_eq!((called_users(&tame).len(), called_users(&wild).len()), (MOST_MENTIONED, MOST_MENTIONED));
}

const PIECES: [&str; 40] = [
    "<p>",
    "</p>",
    "<div>",
    "</div>",
    "<b>",
    "</b>",
    "<em>",
    "</em>",
    "<ul>",
    "</ul>",
    "<ol start=3>",
    "</ol>",
    "<li>",
    "</li>",
    "<li data-type=taskItem>",
    "<pre>",
    "</pre>",
    "<code>",
    "</code>",
    "<table>",
    "</table>",
    "<tr>",
    "</tr>",
    "<td>",
    "</td>",
    "<blockquote>",
    "</blockquote>",
    "<br>",
    "<hr>",
    "<img alt=x>",
    "<a href=https://a.b>",
    "</a>",
    "<script>SECRET</script>",
    "<style>SECRET</style>",
    "<textarea>",
    "<svg>",
    "<template>",
    "<select>",
    "```",
    " text ",
];

proptest! {
    #[test]
    fn no_markup_makes_it_panic_or_tell_a_script(picks in proptest::collection::vec(0..PIECES.len(), 0..120)) {
        let html: String = picks.iter().map(|&pick| PIECES[pick]).collect();
        let text = to_markdown(&html, &people, 200);
        prop_assert!(!text.contains("SECRET") && !text.contains("<script"), "{html} -> {text}");
        prop_assert!(text.chars().count() <= 200 + 160, "{}", text);
        let stripped = guard::strip_tags(&html, 200);
        prop_assert!(!stripped.contains("SECRET") && !stripped.contains("<script"), "{html} -> {stripped}");
    }

    #[test]
    fn no_text_makes_it_panic(text in "(?s)[<>/!&;#a-c\"'= \\-\n\u{e4}]{0,200}", limit in 0_usize..100) {
        let converted = to_markdown(&text, &people, limit);
        prop_assert!(converted.chars().count() <= limit + 300);
        let _ = (prompt(&text), mentioned_users(&text), guard::strip_tags(&text, limit));
    }
}
