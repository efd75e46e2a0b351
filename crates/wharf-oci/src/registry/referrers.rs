//! Attachments in a registry (distribution-spec 1.1, "Listing Referrers"), with the tag for registries without a list.

use std::{collections::BTreeSet, time::Duration};

use bytes::Bytes;
use serde::Deserialize;
use tokio::sync::mpsc;
use wharf_net::client::{Method, Request};
use wharf_spec::digest::Digest;

use super::{
    MAX_MANIFEST, ManifestName, Registry,
    error::{Refusal, Result},
    pull,
    upload::Source,
};
use crate::{
    attachment::{Attachment, EMPTY_BYTES, List, Referrer, empty, list_tag},
    descriptor::{Descriptor, Document, INDEX, digest_of},
    error::{OciError, Result as OciResult},
    registry::error::RegistryError,
    replay::replay,
};

/// How often the list under the tag is written again when another writer was quicker.
const ATTEMPTS: u32 = 5;

/// A while before it is read again.
const PAUSE: Duration = Duration::from_millis(100);

/// The largest attachment that is read, in bytes.
pub const MAX_ATTACHMENT: u64 = 8 << 20;

impl Registry {
    /// Attaches documents to an image that is there, and returns how many had to be sent.
    ///
    /// # Errors
    /// [`RegistryError::NoAttachments`] when the registry does not take them; when it cannot be reached.
    pub async fn attach(
        &self,
        repository: &str,
        subject: &Descriptor,
        attachments: &[Attachment],
    ) -> Result<usize> {
        let listed = self.referrers(repository, subject.digest).await?;
        let listed: BTreeSet<_> = listed.iter().map(|referrer| referrer.digest).collect();
        let mut sent = 0;
        for attachment in attachments {
            let referrer = attachment.referrer(subject);
            if !listed.contains(&referrer.digest) {
                self.attach_one(repository, subject, attachment, &referrer).await?;
                sent += 1;
            }
        }
        Ok(sent)
    }

    async fn attach_one(
        &self,
        repository: &str,
        subject: &Descriptor,
        attachment: &Attachment,
        referrer: &Referrer,
    ) -> Result<()> {
        self.send_bytes(repository, &empty(), Bytes::from_static(EMPTY_BYTES)).await?;
        self.send_bytes(repository, &attachment.payload(), attachment.bytes.clone()).await?;
        let manifest = attachment.manifest(subject);
        if self.put_attachment(repository, referrer, &manifest).await? {
            return Ok(());
        }
        self.list(repository, subject.digest, referrer).await
    }

    /// Returns what is attached to an image.
    ///
    /// # Errors
    /// [`RegistryError::NoAttachments`] when the registry has no way to list it; when it cannot be reached.
    pub async fn referrers(&self, repository: &str, subject: Digest) -> Result<Vec<Referrer>> {
        let address = self.address(&format!("{repository}/referrers/{subject}"))?;
        let make = || Request::new(Method::Get, address.clone()).header("accept", INDEX);
        let answer = self.exchange(&[pull(repository)], make).await?;
        let is_index = answer.header("content-type").is_some_and(|found| found.starts_with(INDEX));
        if answer.status() == 200 && is_index {
            let bytes = answer.bytes(MAX_MANIFEST).await;
            let bytes = bytes.map_err(|error| self.network("list of attachments", error))?;
            if let Ok(list) = List::parse(&bytes) {
                return Ok(list.referrers());
            }
        }
        // Whatever else it says: it keeps no list.
        Ok(self.tagged_list(repository, subject).await?.referrers())
    }

    /// Reads an attachment's document.
    ///
    /// # Errors
    /// When it is larger than [`MAX_ATTACHMENT`] or another than it should be; when the registry cannot be reached.
    pub async fn attached(&self, repository: &str, attachment: Digest) -> Result<Bytes> {
        let manifest = self.manifest(repository, &ManifestName::Digest(attachment)).await?;
        let layers = self.layers_of(&manifest)?;
        let [layer] = layers.as_slice() else {
            return Err(self.answer("attachment", "it does not consist of one document"));
        };
        self.small_blob(repository, layer).await
    }

    /// Reads the layers that a manifest names.
    pub(crate) fn layers_of(&self, manifest: &[u8]) -> Result<Vec<NamedBlob>> {
        #[derive(Deserialize)]
        struct Layers {
            layers: Vec<NamedBlob>,
        }
        let parsed = serde_json::from_slice::<Layers>(manifest);
        Ok(parsed.map_err(|error| self.answer("manifest", error))?.layers)
    }

    /// Reads a blob that is small enough to hold.
    pub(crate) async fn small_blob(&self, repository: &str, blob: &NamedBlob) -> Result<Bytes> {
        let too_large = || RegistryError::TooLarge {
            host: self.host.to_string(),
            what: "attachment",
            limit: MAX_ATTACHMENT as usize,
        };
        if blob.size > MAX_ATTACHMENT {
            return Err(too_large());
        }
        let limit = usize::try_from(blob.size).map_err(|_| too_large())?;
        let (answer, _) = self.download(repository, blob.digest, 0).await?;
        let bytes = answer.bytes(limit).await;
        let bytes = bytes.map_err(|error| self.network("attachment", error))?;
        let found = digest_of(&bytes);
        if found != blob.digest {
            let host = self.host.to_string();
            return Err(RegistryError::Digest { host, expected: blob.digest, found });
        }
        Ok(bytes)
    }

    /// Sends a few bytes, unless they are there.
    pub(crate) async fn send_bytes(
        &self,
        repository: &str,
        descriptor: &Descriptor,
        bytes: Bytes,
    ) -> Result<()> {
        if self.has_blob(repository, descriptor.digest).await? {
            return Ok(());
        }
        self.upload(repository, descriptor, &Few(bytes)).await
    }

    /// Sends an attachment's manifest, and says whether the registry lists it.
    async fn put_attachment(
        &self,
        repository: &str,
        referrer: &Referrer,
        manifest: &Document,
    ) -> Result<bool> {
        let name = ManifestName::Digest(referrer.digest);
        match self.send_manifest(repository, &name, manifest).await? {
            Ok(answer) => {
                let answer = self.expect(answer, &[201]).await?;
                Ok(answer.header("oci-subject").is_some())
            }
            Err(source) if matches!(source.status, 400 | 404 | 405 | 415 | 422) => {
                Err(self.no_attachments(source))
            }
            Err(source) => Err(self.refused(source)),
        }
    }

    /// Adds an attachment to the list under the tag. Another writer may do the same at the same moment.
    async fn list(&self, repository: &str, subject: Digest, referrer: &Referrer) -> Result<()> {
        let tag = list_tag(subject);
        for attempt in 1..=ATTEMPTS {
            let mut list = self.tagged_list(repository, subject).await?;
            if list.has(referrer.digest) {
                return Ok(());
            }
            list.add(referrer);
            self.put_manifest(repository, &ManifestName::Tag(&tag), &list.document()).await?;
            if self.tagged_list(repository, subject).await?.has(referrer.digest) {
                return Ok(());
            }
            tokio::time::sleep(PAUSE * attempt).await;
        }
        Err(self.answer("list of attachments", "others keep replacing it"))
    }

    /// Reads the list under the tag; without one, there is nothing.
    async fn tagged_list(&self, repository: &str, subject: Digest) -> Result<List> {
        let tag = list_tag(subject);
        let address = self.manifest_address(repository, &ManifestName::Tag(&tag))?;
        let answer = self.read_only(&[pull(repository)], Method::Get, &address).await?;
        match answer.status() {
            404 => return Ok(List::new()),
            400 | 405 | 415 | 422 => {
                return Err(self.no_attachments(super::refusal(answer).await));
            }
            _ => {}
        }
        let answer = self.expect(answer, &[200]).await?;
        let bytes = answer.bytes(MAX_MANIFEST).await;
        let bytes = bytes.map_err(|error| self.network("list of attachments", error))?;
        List::parse(&bytes).map_err(|why| self.answer("list of attachments", why))
    }

    fn no_attachments(&self, source: Refusal) -> RegistryError {
        RegistryError::NoAttachments { host: self.host.to_string(), source }
    }
}

/// A blob as a manifest of others names it.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct NamedBlob {
    pub(crate) media_type: String,
    pub(crate) digest: Digest,
    pub(crate) size: u64,
    #[serde(default)]
    pub(crate) annotations: std::collections::BTreeMap<String, String>,
}

/// A blob that is held.
struct Few(Bytes);

impl Source for Few {
    fn replay(&self, skip: u64) -> mpsc::Receiver<OciResult<Bytes>> {
        let bytes = self.0.clone();
        replay(skip, move |writer| writer.write_all(&bytes).map_err(OciError::Write))
    }
}
