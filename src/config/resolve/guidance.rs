//! What people wrote down per project for the agent to know.

use std::collections::BTreeMap;

use super::{Resolver, writes::is_plain};
use crate::config::{GuidanceConfig, raw::RawProject};

impl Resolver<'_> {
    /// The guidance of all projects, for any workspace before for one.
    pub(super) fn guidance(&mut self, projects: BTreeMap<String, RawProject>) -> Vec<GuidanceConfig> {
        let mut guidance: Vec<_> =
            projects.into_iter().filter_map(|(name, raw)| self.project_guidance(&name, raw)).collect();
        guidance.sort_by(|left, right| left.project.workspace.cmp(&right.project.workspace));
        guidance
    }

    fn project_guidance(&mut self, name: &str, raw: RawProject) -> Option<GuidanceConfig> {
        let key = |field: &str| format!("projects.{name}.{field}");
        let project = self.project_name(&format!("projects.{name}"), name)?;
        let page = raw.guidance_page.map(|page| self.parsed(&key("guidance_page"), &page, "a page's UUID"));
        let work_item = raw.guidance_work_item.map(|text| {
            let parsed = text.trim().rsplit_once('-').and_then(|(identifier, number)| {
                is_plain(identifier).then(|| Some((identifier.to_uppercase(), number.parse().ok()?)))?
            });
            if parsed.is_none() {
                self.complain(&key("guidance_work_item"), "expected a work item's key such as MOB-1");
            }
            parsed
        });
        Some(GuidanceConfig {
            project,
            text: raw.guidance.filter(|text| !text.trim().is_empty()),
            page: page.flatten(),
            work_item: work_item.flatten(),
        })
    }
}
