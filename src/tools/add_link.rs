//! Puts a link on a work item.

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::Deserialize;
use url::Url;

use super::{Told, ToolCx, ToolError, WriteTool, describe, item_change, write::item_here};
use crate::{
    domain::{
        deed::Deed,
        write::{PlannedWrite, Write},
    },
    plane::markdown::untold,
};

const ADDRESS_LIMIT_CHARS: usize = 2_000;
const TITLE_LIMIT_CHARS: usize = 255;
/// Most of an address shown.
const SHOWN_CHARS: usize = 120;

pub struct AddLink;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Args {
    /// Key such as MOB-12, or id. Leave out for the current work item.
    #[serde(default)]
    work_item: Option<String>,
    /// Where it leads: an http or https address.
    url: String,
    /// What it is called; Plane shows the address if left out.
    #[serde(default)]
    title: Option<String>,
}

#[async_trait]
impl WriteTool for AddLink {
    type Args = Args;
    const NAME: &'static str = "add_link";

    fn told(args: &Args) -> Told {
        Told::new("Adding a link", "Added a link").about("address", &args.url)
    }

    async fn plan(&self, args: Args, cx: &ToolCx<'_>) -> Result<PlannedWrite, ToolError> {
        let bad = |message: String| ToolError::BadArguments { tool: Self::NAME, message };
        let url = address(&args.url).map_err(bad)?;
        let title = telling(describe::name(args.title.as_deref().unwrap_or_default()), &url);
        if title.chars().count() > TITLE_LIMIT_CHARS {
            return Err(bad(format!("title must have at most {TITLE_LIMIT_CHARS} characters")));
        }
        let (item, target) = item_here(args.work_item.as_deref(), cx).await?;
        let called = item_change::called(&item);
        let links = cx.plane.known_links(cx.workspace, target).await?;
        if links.iter().any(|(_, link)| link.url == url) {
            return Err(ToolError::NoSuchThing(format!("{called} has that link already.")));
        }
        Ok(PlannedWrite {
            summary: format!("Link {called} to {}", describe::shortened(&url, SHOWN_CHARS)),
            changes: Vec::new(),
            write: Write::Deed(Deed::AddLink { item: target, url, title }),
        })
    }
}

/// A title that reads like an address leads where it says, or tells where it leads.
fn telling(mut title: String, url: &str) -> String {
    if title.split_whitespace().any(reads_as_address) {
        title.push_str(&untold(&title, url).unwrap_or_default());
    }
    title
}

fn reads_as_address(word: &str) -> bool {
    let host = word.split('/').next().unwrap_or_default().trim_end_matches(|c: char| !c.is_alphanumeric());
    let end = host.rsplit_once('.').filter(|(name, _)| name.ends_with(char::is_alphanumeric)).map(|(_, end)| end);
    word.contains("://") || end.is_some_and(|end| end.chars().count() >= 2 && end.chars().all(char::is_alphabetic))
}

/// The address as it is sent, or why it can be none.
fn address(text: &str) -> Result<String, String> {
    let text = text.trim();
    let url = Url::parse(text).map_err(|error| format!("url is no address: {error}; write it as https://…"))?;
    if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
        return Err("url must be an http or https address".to_owned());
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("url must not carry a user name or a password".to_owned());
    }
    if text.chars().count() > ADDRESS_LIMIT_CHARS || text.chars().any(char::is_whitespace) {
        return Err(format!("url must have at most {ADDRESS_LIMIT_CHARS} characters and no spaces"));
    }
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_title_that_reads_like_an_address_tells_where_it_leads() {
        for (title, shown) in [
            ("", ""),
            ("CI run 7, v2.1", "CI run 7, v2.1"),
            ("ci.example", "ci.example"),
            ("https://ci.example/run", "https://ci.example/run"),
            ("https://app.plane.so/login", "https://app.plane.so/login (ci.example)"),
            ("Sign in: app.plane.so.", "Sign in: app.plane.so. (ci.example)"),
        ] {
            assert_eq!(telling(title.to_owned(), "https://ci.example/run"), shown);
        }
    }

    #[test]
    fn only_an_address_of_the_web_is_linked() {
        assert_eq!(address(" https://ci.example/run/7?x=1#log ").as_deref(), Ok("https://ci.example/run/7?x=1#log"));
        for bad in [
            "",
            "run 7",
            "javascript:alert(1)",
            "ftp://x.example/",
            "https://",
            "https://u:p@x.example/",
            "https://x.example/a b",
            "/run/7",
        ] {
            assert!(address(bad).is_err(), "{bad}");
        }
    }
}
