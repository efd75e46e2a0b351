//! The image store of the engine. Load, build and pull answer 200 and put the error into the stream, so each
//! stream is read to its end, and the end must say that it is done.

use std::{collections::BTreeMap, convert::Infallible};

use async_trait::async_trait;
use bollard::{
    errors::Error,
    models::{BuildInfo, ContainerConfig, CreateImageInfo, ImageInspect, ImageSummary},
    query_parameters::{
        BuildImageOptionsBuilder, CommitContainerOptionsBuilder, CreateImageOptionsBuilder,
        ImportImageOptionsBuilder, ListImagesOptions, RemoveImageOptions,
    },
};
use bytes::Bytes;
use futures_util::{
    StreamExt, TryStreamExt,
    stream::{self, BoxStream},
};
use wharf_spec::{digest::Digest, label, reference::Reference, workload::WorkloadId};

use super::{
    Docker, podman,
    refusal::{Refusal, meaning},
    status::{labels_of, labels_that_count, utc},
};
use crate::{
    BuildRequest, ImageFacts, Images, NamedImage,
    error::{EngineError, Result},
    is_of_wharf,
};

#[async_trait]
impl Images for Docker {
    async fn find(&self, image: &str) -> Result<Option<ImageFacts>> {
        Ok(self.inspect_image(image).await?.map(facts))
    }

    async fn list(&self) -> Result<Vec<NamedImage>> {
        let mut images = self.images_likely_first().await?;
        images.retain(is_ours);
        let looks: Vec<_> = images.iter().map(|image| self.inspect_image(&image.id)).collect();
        let found: Vec<_> = stream::iter(looks).buffered(LOOKS_AT_ONCE).try_collect().await?;
        let named = |image: ImageInspect| NamedImage {
            names: image.repo_tags.clone().unwrap_or_default(),
            facts: facts(image),
        };
        // One that is gone meanwhile is none.
        Ok(found.into_iter().flatten().map(named).collect())
    }

    async fn layers_held(&self, layers: &[Digest]) -> Result<usize> {
        let mut images = self.images_likely_first().await?;
        images.truncate(MOST_LOOKED_AT);
        let wanted: Vec<_> = layers.iter().map(Digest::to_string).collect();
        let looks: Vec<_> = images.iter().map(|image| self.layers_of(&image.id)).collect();
        let mut looks = stream::iter(looks).buffered(LOOKS_AT_ONCE);
        let mut most = 0;
        while let Some(found) = looks.next().await {
            most = most.max(in_common(&wanted, &found?));
            if most == wanted.len() {
                break;
            }
        }
        Ok(most)
    }

    async fn load(
        &self,
        archive: BoxStream<'static, Bytes>,
        reference: &Reference,
    ) -> Result<ImageFacts> {
        let action = || format!("load image `{reference}`");
        let options = ImportImageOptionsBuilder::new().quiet(true).build();
        let archive = archive.map(Ok::<_, Infallible>);
        let answer = self.connection.patient.import_image_stream(options, archive, None);
        let entries: Vec<BuildInfo> =
            answer.try_collect().await.map_err(|error| self.connection.refused(action(), error))?;
        let said: Vec<String> = entries.into_iter().filter_map(|entry| entry.stream).collect();
        // Podman puts a host before it, Docker drops its own.
        let path = reference.path().trim_start_matches("library/");
        let name = format!("{path}:{}", reference.tag().unwrap_or_default());
        if !said.iter().any(|line| line.trim_end().ends_with(&name)) {
            let source =
                format!("the archive does not hold it; it holds: {}", said.concat().trim());
            return Err(EngineError::Refused { action: action(), source: source.into() });
        }
        self.made(reference).await
    }

    async fn save(&self, image: &str) -> Result<BoxStream<'static, Result<Bytes>>> {
        if self.inspect_image(image).await?.is_none() {
            return Err(EngineError::NoImage { image: image.to_owned() });
        }
        let pieces = self.connection.patient.export_image(image);
        let (connection, action) = (self.connection.clone(), format!("save image `{image}`"));
        let pieces = pieces.map_err(move |error| connection.refused(action.clone(), error));
        Ok(pieces.boxed())
    }

    async fn build(
        &self,
        context: BoxStream<'static, Bytes>,
        request: BuildRequest<'_>,
    ) -> Result<ImageFacts> {
        let BuildRequest { reference, dockerfile, labels, pull, no_cache, output, .. } = request;
        let action = || format!("build image `{reference}`");
        if let Some(buildkit) = self.buildkit.as_ref().filter(|_| !request.hides_files)
            && buildkit.is_there().await
        {
            let built = buildkit.build(context, &request).await;
            built.map_err(|why| {
                // In the form in which the classic builder's refusals come.
                let error = Error::DockerStreamError { error: why.to_string() };
                self.connection.refused(action(), error)
            })?;
            return self.made(reference).await;
        }
        let labels = labels.iter().cloned().collect();
        let name = reference.to_string();
        let options = BuildImageOptionsBuilder::new().t(&name).labels(&labels);
        let options = options.dockerfile(dockerfile).rm(true).forcerm(true).nocache(no_cache);
        // Podman takes `true` alone, and leaves out what is not said.
        let options = if pull { options.pull("true") } else { options }.build();
        let context = bollard::body_stream(context);
        let mut answer = self.connection.patient.build_image(options, None, Some(context));
        let mut is_done = false;
        let mut line = String::new();
        while let Some(entry) = answer.next().await {
            let entry = entry.map_err(|error| self.connection.refused(action(), error))?;
            is_done |= entry.aux.is_some();
            line.push_str(&entry.stream.or(entry.status).unwrap_or_default());
            while let Some(end) = line.find('\n') {
                let rest = line.split_off(end + 1);
                tell(output, &line);
                line = rest;
            }
        }
        tell(output, &line);
        if !is_done {
            let source = "the engine went quiet before the image was there".into();
            return Err(EngineError::Refused { action: action(), source });
        }
        self.made(reference).await
    }

    /// The image starts like the one that the workload was made of: its command, and no variable of the
    /// workload's own, which may be secret.
    async fn commit(
        &self,
        id: &WorkloadId,
        reference: &Reference,
        labels: &[(String, String)],
    ) -> Result<ImageFacts> {
        let found = self.connection.get(id).await?;
        let config = found.container.config.clone().unwrap_or_default();
        let base = match &found.container.image {
            Some(image) => self.inspect_image(image).await?,
            None => None,
        };
        let base = base.and_then(|image| image.config).unwrap_or_default();
        let (entrypoint, command) =
            (base.entrypoint.unwrap_or_default(), base.cmd.unwrap_or_default());
        let env = emptied(config.env.unwrap_or_default(), base.env.unwrap_or_default());
        let ours = labels_of(&found.container).into_keys();
        let ours = ours.filter(|name| name.starts_with(label::PREFIX));
        let mut all: Vec<_> = ours.map(|name| (name, String::new())).collect();
        all.extend_from_slice(labels);

        let (name, tag) = name_and_tag(reference);
        let mut options = CommitContainerOptionsBuilder::new()
            .container(&found.handle)
            .repo(&name)
            .tag(&tag)
            .pause(false);
        if self.quirks.commit_by_lines {
            options = options.changes(&podman::commit_lines(&all, &env, &entrypoint, &command));
        }
        let config = ContainerConfig {
            labels: Some(all.into_iter().collect()),
            env: Some(env),
            entrypoint: Some(entrypoint),
            cmd: Some(command),
            ..ContainerConfig::default()
        };
        let made = self.connection.patient.commit_container(options.build(), config).await;
        made.map_err(|error| {
            self.connection.refused(format!("keep `{}` as an image", id.name), error)
        })?;
        self.made(reference).await
    }

    async fn pull(
        &self,
        reference: &Reference,
        progress: &(dyn Fn(String) + Send + Sync),
    ) -> Result<ImageFacts> {
        let (name, tag) = name_and_tag(reference);
        let options = CreateImageOptionsBuilder::new().from_image(&name).tag(&tag).build();
        let mut answer = self.connection.patient.create_image(Some(options), None, None);
        while let Some(entry) = answer.next().await {
            let entry = entry.map_err(|error| {
                self.connection.refused(format!("pull image `{reference}`"), error)
            })?;
            let CreateImageInfo { id, status, .. } = entry;
            let words: Vec<String> = id.into_iter().chain(status).collect();
            tell(&progress, &words.join(": "));
        }
        self.made(reference).await
    }

    async fn remove(&self, image: &str) -> Result<()> {
        let Some(name) = safe_in_a_path(image) else { return Ok(()) };
        let removed =
            self.connection.client.remove_image(name, None::<RemoveImageOptions>, None).await;
        match removed {
            Err(error) if !is_missing(&error) => {
                Err(self.connection.refused(format!("remove image `{image}`"), error))
            }
            _ => Ok(()),
        }
    }
}

/// How many images are looked at for layers, at a millisecond or two each.
const MOST_LOOKED_AT: usize = 500;

const LOOKS_AT_ONCE: usize = 8;

impl Docker {
    /// Returns all images, those of wharf first. When they were made says nothing: ours have one and the same time.
    async fn images_likely_first(&self) -> Result<Vec<ImageSummary>> {
        let listed = self.connection.client.list_images(None::<ListImagesOptions>).await;
        let mut images =
            listed.map_err(|error| self.connection.refused("list the images".to_owned(), error))?;
        images.sort_by_key(|image| !is_ours(image));
        Ok(images)
    }

    /// Returns the layers of an image, the lowest first; none of one that is gone meanwhile.
    async fn layers_of(&self, image: &str) -> Result<Vec<String>> {
        let found = self.inspect_image(image).await?;
        Ok(found.and_then(|image| image.root_fs?.layers).unwrap_or_default())
    }

    async fn inspect_image(&self, image: &str) -> Result<Option<ImageInspect>> {
        let Some(name) = safe_in_a_path(image) else { return Ok(None) };
        match self.connection.client.inspect_image(name).await {
            Ok(found) => Ok(Some(found)),
            Err(error) if is_missing(&error) => Ok(None),
            Err(error) => Err(self.connection.refused(format!("look at image `{image}`"), error)),
        }
    }

    /// Returns the facts of an image that the engine says it has made.
    async fn made(&self, reference: &Reference) -> Result<ImageFacts> {
        let image = reference.to_string();
        self.find(&image).await?.ok_or(EngineError::NoImage { image })
    }
}

fn is_ours(image: &ImageSummary) -> bool {
    image.labels.keys().any(|name| is_of_wharf(name))
}

/// Returns how many layers are the same, counted from the lowest.
fn in_common(wanted: &[String], found: &[String]) -> usize {
    wanted.iter().zip(found).take_while(|(wanted, found)| wanted == found).count()
}

fn is_missing(error: &Error) -> bool {
    matches!(meaning(error), Refusal::Gone | Refusal::NoImage)
}

/// Returns an image's name or id if it stays what it is as part of an address. The client library puts it there
/// as it stands, so `../containers/x` would be another question altogether.
fn safe_in_a_path(image: &str) -> Option<&str> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-:@".contains(&byte);
    let is_part = |part: &str| part.bytes().all(is_plain) && !part.bytes().all(|byte| byte == b'.');
    let is_hex = |text: &str| text.bytes().all(|byte| byte.is_ascii_hexdigit());
    let id = image.strip_prefix("sha256:").unwrap_or(image);
    let names_one = (id.len() >= 12 && is_hex(id)) || image.parse::<Reference>().is_ok();
    (names_one && image.split('/').all(is_part)).then_some(image)
}

/// Returns a reference in the two parts that the engine wants.
fn name_and_tag(reference: &Reference) -> (String, String) {
    let text = reference.to_string();
    match text.split_once('@') {
        Some((name, digest)) => {
            let tag = reference.tag().map(|tag| format!(":{tag}")).unwrap_or_default();
            (name.strip_suffix(&tag).unwrap_or(name).to_owned(), digest.to_owned())
        }
        None => {
            let tag = reference.tag().unwrap_or_default();
            let name = text.strip_suffix(&format!(":{tag}")).unwrap_or(&text);
            (name.to_owned(), tag.to_owned())
        }
    }
}

/// Returns the base's variables, and the container's own ones without their values: no engine removes one.
fn emptied(container: Vec<String>, base: Vec<String>) -> Vec<String> {
    let name = |pair: &str| pair.split('=').next().unwrap_or_default().to_owned();
    let known: Vec<String> = base.iter().map(|pair| name(pair)).collect();
    let own = container.iter().map(|pair| name(pair)).filter(|name| !known.contains(name));
    let own: Vec<String> = own.map(|name| format!("{name}=")).collect();
    base.into_iter().chain(own).collect()
}

fn tell(output: &(dyn Fn(String) + Send + Sync), line: &str) {
    let line = line.trim_end();
    if !line.is_empty() {
        output(line.to_owned());
    }
}

fn facts(image: ImageInspect) -> ImageFacts {
    let config = image.config.unwrap_or_default();
    let ports = config.exposed_ports.into_iter().flatten();
    let tcp = ports.filter_map(|port| port.strip_suffix("/tcp").unwrap_or(&port).parse().ok());
    let mut exposed_ports: Vec<u16> = tcp.collect();
    exposed_ports.sort_unstable();
    let labels: BTreeMap<_, _> = labels_that_count(config.labels.into_iter().flatten());
    let platform = image.os.zip(image.architecture).map(|(os, machine)| format!("{os}/{machine}"));
    ImageFacts {
        id: image.id.unwrap_or_default(),
        size: image.size.and_then(|size| size.try_into().ok()).unwrap_or(0),
        labels,
        env: config.env.unwrap_or_default(),
        exposed_ports,
        created: image.created.as_deref().and_then(utc),
        platform,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_cannot_lead_to_another_address() {
        let id = "0123456789abcdef".repeat(4);
        for image in ["iris", "ml/iris:1", "reg:5000/iris", &id, &format!("sha256:{id}")] {
            assert!(safe_in_a_path(image).is_some(), "{image} was refused");
        }
        for image in [
            "",
            "../containers/x",
            "iris/../../x",
            "iris?force=1",
            "reg.example?force=1/iris",
            "reg.example%2f/iris",
            "iris#",
            "iris/json\n",
        ] {
            assert!(safe_in_a_path(image).is_none(), "{image} passed");
        }
    }

    #[test]
    fn only_layers_upon_each_other_count_as_held() {
        let check = |wanted: &str, found: &str, count| {
            let [wanted, found] =
                [wanted, found].map(|all| all.chars().map(String::from).collect::<Vec<_>>());
            assert_eq!(in_common(&wanted, &found), count, "{wanted:?} in {found:?}");
        };
        check("abc", "abx", 2);
        check("abc", "abcd", 3);
        check("abc", "ab", 2);
        check("abc", "xbc", 0);
        check("abc", "", 0);
    }

    #[test]
    fn a_reference_is_sent_in_two_parts() {
        let digest = format!("sha256:{}", "0".repeat(64));
        let cases = [
            ("iris".to_owned(), "iris", "latest"),
            ("localhost:5000/ml/iris:1".to_owned(), "localhost:5000/ml/iris", "1"),
            (format!("iris@{digest}"), "iris", digest.as_str()),
            (format!("iris:1@{digest}"), "iris", digest.as_str()),
        ];
        for (text, name, tag) in cases {
            let parts = name_and_tag(&text.parse().unwrap());
            assert_eq!(parts, (name.to_owned(), tag.to_owned()), "{text}");
        }
    }

    #[test]
    fn a_commit_keeps_no_variable_of_its_container() {
        let container = ["PATH=/bin", "TOKEN=secret"].map(str::to_owned).to_vec();
        let base = ["PATH=/usr/bin".to_owned()].to_vec();
        assert_eq!(emptied(container, base), ["PATH=/usr/bin", "TOKEN="]);
    }
}
