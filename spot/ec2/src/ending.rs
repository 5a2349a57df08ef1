//! What goes: an instance is marked as going before its work moves, and ended when it has.

use aws_sdk_ec2::types::Tag;

use crate::client::Ec2;
use crate::error::{Error, Result};
use crate::settings::TAG_ENDING;

impl Ec2 {
    /// Marks an instance, so that another life of the manager knows.
    ///
    /// # Errors
    /// No answer, or a refusal.
    pub async fn mark_ending(&self, id: &str, now_ms: u64) -> Result<()> {
        let since = now_ms.to_string();
        let tag = Tag::builder().key(TAG_ENDING).value(since).build();
        let sent = self.ec2.create_tags().resources(id).tags(tag).send().await;
        sent.map(drop).map_err(|e| Error::of("CreateTags", e))
    }

    /// Ends an instance; one that is gone already is ended. A fleet that is not ours is told first that it is to be
    /// smaller, else it would start another.
    ///
    /// # Errors
    /// No answer, or a refusal.
    pub async fn end(&self, id: &str) -> Result<()> {
        if let Some(held) = &self.settings.held
            && self.instances_of(held).await?.iter().any(|i| i == id)
        {
            self.move_target(held, -1).await?;
        }
        let sent = self.ec2.terminate_instances().instance_ids(id).send().await;
        match sent.map_err(|e| Error::of("TerminateInstances", e)) {
            Err(Error::Refused { code, .. }) if code.starts_with("InvalidInstanceID") => Ok(()),
            other => other.map(drop),
        }
    }
}
