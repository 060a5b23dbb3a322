//! What the people who speak in a turn may do. The agent never does more for them than they could do
//! themselves: it reads in projects that each of them can see, and changes what each of them may change.
//!
//! Where Plane does not tell a role, the stricter assumption holds: a person is what the configuration
//! says they are taken for, and no more than they are in the workspace.

use crate::{
    domain::{
        disposition::Disposition,
        ids::{ProjectId, UserId, WorkspaceId},
        role::Role,
        work_item::Person,
    },
    plane::{PlaneError, facts::Facts},
};

/// The rights of those who speak in a turn.
pub struct Rights<'a> {
    pub facts: &'a Facts,
    pub workspace: WorkspaceId,
    /// The project the run is in: whoever comments there is at least a guest of it.
    pub home: Option<ProjectId>,
    /// Who speaks; `None` is somebody Plane does not name. Nobody at all is as good as that.
    pub speakers: Vec<Option<UserId>>,
    /// What a member of a project is taken to be whose role Plane does not tell.
    pub assumed: Role,
}

/// A role, and whether it is only what was assumed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    pub role: Role,
    pub assumed: bool,
}

impl Rights<'_> {
    /// The least that any of the speakers is in this project; `None` if one of them cannot see it.
    ///
    /// # Errors
    /// Plane did not answer.
    pub async fn in_project(&self, project: ProjectId) -> Result<Option<Standing>, PlaneError> {
        let unnamed = [None];
        let speakers = if self.speakers.is_empty() { unnamed.as_slice() } else { &self.speakers };
        let mut least: Option<Standing> = None;
        for speaker in speakers {
            let Some(standing) = self.of(*speaker, project).await? else { return Ok(None) };
            if least.is_none_or(|least| standing.role < least.role) {
                least = Some(standing);
            }
        }
        Ok(least)
    }

    /// What one person is in a project.
    ///
    /// # Errors
    /// Plane did not answer.
    pub async fn of(&self, person: Option<UserId>, project: ProjectId) -> Result<Option<Standing>, PlaneError> {
        let at_home = (self.home == Some(project)).then_some(Standing { role: Role::Guest, assumed: true });
        let Some(person) = person else { return Ok(at_home) };
        let members = match self.facts.members(self.workspace, project).await {
            Ok(members) => members,
            Err(error) => return self.or_at_home(error, at_home),
        };
        let Some(member) = members.iter().find(|member| member.id == person) else { return Ok(at_home) };
        match member.role {
            // Where roles are not told, people who were removed are still listed: only who comments there is
            // known to belong.
            None if at_home.is_none() => Ok(None),
            Some(role) => Ok(Some(Standing { role, assumed: false })),
            None => self.assumed_of(member).await.map(|role| Some(Standing { role, assumed: true })),
        }
    }

    async fn assumed_of(&self, member: &Person) -> Result<Role, PlaneError> {
        if self.assumed == Role::Guest {
            return Ok(Role::Guest);
        }
        let everyone = match self.facts.workspace_members(self.workspace).await {
            Ok(everyone) => everyone,
            Err(error) => {
                self.or_at_home(error, None)?;
                return Ok(Role::Guest);
            }
        };
        let in_workspace = everyone.iter().find(|known| known.id == member.id).and_then(|known| known.role);
        Ok(in_workspace.unwrap_or(Role::Guest).min(self.assumed))
    }

    /// What Plane refuses to tell is not there; what it did not answer may be asked again.
    fn or_at_home(&self, error: PlaneError, at_home: Option<Standing>) -> Result<Option<Standing>, PlaneError> {
        match error.disposition() {
            Disposition::TellModel => Ok(at_home),
            Disposition::Retry { .. } | Disposition::GiveUp => Err(error),
        }
    }
}
