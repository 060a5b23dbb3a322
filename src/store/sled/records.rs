//! How records and their keys look on disk.
//!
//! Every value opens with a format number, then JSON (or plain text for journal entries), so that a
//! later version can tell what it reads. Numbers and times in keys are big-endian, so that the order
//! of the keys is the order of the values. Times in keys count whole microseconds.

use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use uuid::Uuid;

use super::view::Table;
use crate::{
    domain::{
        event::Prompt,
        ids::{InstallationId, RunId, UserId, WorkItemId, WorkspaceId},
        installation::{Credential, Installation, InstallationStatus},
    },
    store::{RunRecord, StoreError},
};

/// The format this version writes, and the only one it reads.
const FORMAT: u8 = 1;

/// A run with what only the store needs to know of it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct StoredRun {
    pub(super) record: RunRecord,
    /// Grows with every claim.
    pub(super) fence: u64,
    /// The number the next item of the inbox gets.
    pub(super) next_number: u64,
    /// Whether something came in that the holder of the lease has not been told of.
    pub(super) news: bool,
    /// Whether it was claimed since it was last idle.
    #[serde(default)]
    pub(super) unfinished: bool,
    /// When the newest accepted prompt was written, as far as known.
    #[serde(default)]
    pub(super) newest_prompt_at: Option<Timestamp>,
}

/// What waits in a run's inbox under one number.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum InboxItem {
    Prompt(Prompt),
    Stop(Prompt),
}

/// An installation with its token in the clear. It exists only on the way to and from the disk.
#[derive(Serialize, Deserialize)]
pub(super) struct StoredInstallation {
    workspace: WorkspaceId,
    slug: String,
    workspace_name: String,
    bot: Option<UserId>,
    credential: StoredCredential,
    status: InstallationStatus,
    installed_at: Timestamp,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum StoredCredential {
    Oauth { installation: InstallationId, token: String, issued_at: Timestamp, expires_at: Option<Timestamp> },
    StaticBearer { token: String },
    ApiKey { token: String },
}

impl From<&Installation> for StoredInstallation {
    fn from(known: &Installation) -> Self {
        let clear = |secret: &SecretString| secret.expose_secret().to_owned();
        let credential = match &known.credential {
            Credential::OAuth { installation, token, issued_at, expires_at } => StoredCredential::Oauth {
                installation: *installation,
                token: clear(token),
                issued_at: *issued_at,
                expires_at: *expires_at,
            },
            Credential::StaticBearer(token) => StoredCredential::StaticBearer { token: clear(token) },
            Credential::ApiKey(token) => StoredCredential::ApiKey { token: clear(token) },
        };
        Self {
            workspace: known.workspace,
            slug: known.slug.clone(),
            workspace_name: known.workspace_name.clone(),
            bot: known.bot,
            credential,
            status: known.status,
            installed_at: known.installed_at,
        }
    }
}

impl From<StoredInstallation> for Installation {
    fn from(stored: StoredInstallation) -> Self {
        let credential = match stored.credential {
            StoredCredential::Oauth { installation, token, issued_at, expires_at } => {
                Credential::OAuth { installation, token: token.into(), issued_at, expires_at }
            }
            StoredCredential::StaticBearer { token } => Credential::StaticBearer(token.into()),
            StoredCredential::ApiKey { token } => Credential::ApiKey(token.into()),
        };
        Self {
            workspace: stored.workspace,
            slug: stored.slug,
            workspace_name: stored.workspace_name,
            bot: stored.bot,
            credential,
            status: stored.status,
            installed_at: stored.installed_at,
        }
    }
}

/// A record as bytes for `table`.
pub(super) fn encode<T: Serialize>(table: Table, record: &T) -> Result<Vec<u8>, StoreError> {
    let mut bytes = vec![FORMAT];
    serde_json::to_writer(&mut bytes, record).map_err(|error| unreadable(table, json_trouble(&error)))?;
    Ok(bytes)
}

/// The record kept as `bytes` in `table`.
///
/// # Errors
/// `Unreadable` for another format. The text never quotes the record, which may hold secrets.
pub(super) fn decode<T: DeserializeOwned>(table: Table, bytes: &[u8]) -> Result<T, StoreError> {
    let json = after_format(table, bytes)?;
    serde_json::from_slice(json).map_err(|error| unreadable(table, json_trouble(&error)))
}

/// Text as bytes. Journal entries are JSON already, and would only grow by being quoted again.
pub(super) fn encode_text(text: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len() + 1);
    bytes.push(FORMAT);
    bytes.extend_from_slice(text.as_bytes());
    bytes
}

/// The text kept as `bytes` in `table`.
pub(super) fn decode_text(table: Table, bytes: &[u8]) -> Result<String, StoreError> {
    let text = after_format(table, bytes)?;
    String::from_utf8(text.to_vec()).map_err(|_| unreadable(table, "not UTF-8".to_owned()))
}

pub(super) fn unreadable(table: Table, message: String) -> StoreError {
    StoreError::Unreadable { tree: table.name(), message }
}

pub(super) fn run_key(run: RunId) -> Vec<u8> {
    run.0.as_bytes().to_vec()
}

/// Sorts by time, then by run.
pub(super) fn queue_key(at: Timestamp, run: RunId) -> Vec<u8> {
    let mut key = sortable_micros(at).to_be_bytes().to_vec();
    key.extend_from_slice(run.0.as_bytes());
    key
}

/// The time, cut to microseconds, and the run of a queue key.
pub(super) fn queue_key_parts(key: &[u8]) -> Result<(Timestamp, RunId), StoreError> {
    let parts = key.split_first_chunk::<8>().and_then(|(time, run)| {
        let at = Timestamp::from_microsecond(micros_from_sortable(u64::from_be_bytes(*time))).ok()?;
        Some((at, run_of_key(run)?))
    });
    parts.ok_or_else(|| unreadable(Table::Queue, "a key of the wrong shape".to_owned()))
}

/// Sorts by time, newest first, then by run.
pub(super) fn touched_key(at: Timestamp, run: RunId) -> Vec<u8> {
    let mut key = (!sortable_micros(at)).to_be_bytes().to_vec();
    key.extend_from_slice(run.0.as_bytes());
    key
}

/// The run of a key made by [`touched_key`].
pub(super) fn touched_key_run(key: &[u8]) -> Result<RunId, StoreError> {
    key.get(8..).and_then(run_of_key).ok_or_else(|| unreadable(Table::Touched, "a key of the wrong shape".to_owned()))
}

pub(super) fn inbox_key(run: RunId, number: u64) -> Vec<u8> {
    let mut key = run_key(run);
    key.extend_from_slice(&number.to_be_bytes());
    key
}

/// The number in a key made by [`inbox_key`].
pub(super) fn inbox_key_number(key: &[u8]) -> Result<u64, StoreError> {
    key.last_chunk::<8>()
        .map(|number| u64::from_be_bytes(*number))
        .ok_or_else(|| unreadable(Table::Inbox, "a key of the wrong shape".to_owned()))
}

/// What every journal key of a run begins with.
pub(super) fn journal_prefix(run: RunId) -> Vec<u8> {
    let mut key = run_key(run);
    key.push(0);
    key
}

/// What every journal key of a run stands before.
pub(super) fn journal_end(run: RunId) -> Vec<u8> {
    let mut key = run_key(run);
    key.push(1);
    key
}

pub(super) fn journal_key(run: RunId, number: u64) -> Vec<u8> {
    let mut key = journal_prefix(run);
    key.extend_from_slice(&number.to_be_bytes());
    key
}

/// Sorts by work item.
pub(super) fn gist_key(work_item: WorkItemId, run: RunId) -> Vec<u8> {
    let mut key = work_item.0.as_bytes().to_vec();
    key.extend_from_slice(run.0.as_bytes());
    key
}

/// The run of a key made by [`gist_key`].
pub(super) fn gist_key_run(key: &[u8]) -> Result<RunId, StoreError> {
    key.get(16..).and_then(run_of_key).ok_or_else(|| unreadable(Table::Gists, "a key of the wrong shape".to_owned()))
}

pub(super) fn run_of_key(bytes: &[u8]) -> Option<RunId> {
    Uuid::from_slice(bytes).ok().map(RunId)
}

/// Flipping the sign bit makes times before 1970 sort before those after it.
fn sortable_micros(at: Timestamp) -> u64 {
    at.as_microsecond().cast_unsigned() ^ (1 << 63)
}

fn micros_from_sortable(sortable: u64) -> i64 {
    (sortable ^ (1 << 63)).cast_signed()
}

fn after_format(table: Table, bytes: &[u8]) -> Result<&[u8], StoreError> {
    match bytes.split_first() {
        Some((&FORMAT, rest)) => Ok(rest),
        Some((other, _)) => Err(unreadable(table, format!("format {other} instead of {FORMAT}"))),
        None => Err(unreadable(table, "an empty record".to_owned())),
    }
}

/// serde's own text may quote the record.
fn json_trouble(error: &serde_json::Error) -> String {
    format!("{:?} error at line {} column {}", error.classify(), error.line(), error.column())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_sort_as_their_times_do() {
        let run = RunId(Uuid::nil());
        let times: Vec<Timestamp> = [-5_000_000, -1, 0, 1, 1_700_000_000_000_000]
            .map(|micros| Timestamp::from_microsecond(micros).unwrap())
            .into();
        for pair in times.windows(2) {
            assert!(queue_key(pair[0], run) < queue_key(pair[1], run));
            assert!(touched_key(pair[0], run) > touched_key(pair[1], run));
            assert_eq!(queue_key_parts(&queue_key(pair[0], run)).unwrap(), (pair[0], run));
        }
    }

    #[test]
    fn an_unreadable_record_is_not_quoted() {
        let bytes = b"\x01{\"workspace\":\"plane_secret\"}";
        let error = decode::<StoredInstallation>(Table::Installations, bytes).err().unwrap();
        assert!(matches!(error, StoreError::Unreadable { tree: "installations", .. }));
        assert!(!error.to_string().contains("plane_secret"));
    }

    #[test]
    fn another_format_is_refused() {
        assert!(matches!(decode::<u64>(Table::Meta, b"\x027"), Err(StoreError::Unreadable { .. })));
        assert!(matches!(decode::<u64>(Table::Meta, b""), Err(StoreError::Unreadable { .. })));
        assert_eq!(decode::<u64>(Table::Meta, &encode(Table::Meta, &7_u64).unwrap()).unwrap(), 7);
    }
}
