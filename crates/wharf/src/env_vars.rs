//! Every variable that wharf reads: the one table. Names are mechanical: `WHARF_` and the key in upper case.

/// The name of a variable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Variable(pub(crate) &'static str);

macro_rules! variables {
    ($($constant:ident $name:literal $does:literal;)+) => {
        $(#[doc = $does] pub(crate) const $constant: Variable = Variable($name);)+

        /// All of them with what they do, in the order of the reference.
        #[cfg(test)]
        pub(crate) const ALL: &[(&str, &str)] = &[$(($name, $does)),+];
    };
}

variables! {
    WHARF_PROJECT "WHARF_PROJECT" "The project, where `-P` is not given.";
    WHARF_COLOR "WHARF_COLOR" "`auto`, `always` or `never`, where `--color` is not given.";
    WHARF_HELPERS "WHARF_HELPERS" "The folder of the server programs; else the folder of `wharf` itself.";
    WHARF_KEY_PASSWORD "WHARF_KEY_PASSWORD" "The password of a key that signs images.";
    SOURCE_DATE_EPOCH "SOURCE_DATE_EPOCH" "When images that wharf assembles say that they were made, in seconds since 1970; else the start of 1980.";
    NO_COLOR "NO_COLOR" "Set to anything: no colours (no-color.org).";
    CLICOLOR_FORCE "CLICOLOR_FORCE" "Set to anything but 0: colours also into pipes.";
    TERM "TERM" "`dumb`: no colours.";
    HOME "HOME" "The user's folder.";
    XDG_CACHE_HOME "XDG_CACHE_HOME" "Where caches lie; else `~/.cache`.";
    XDG_CONFIG_HOME "XDG_CONFIG_HOME" "Where settings lie; else `~/.config`.";
    XDG_DATA_HOME "XDG_DATA_HOME" "Where data lies; else `~/.local/share`.";
    XDG_RUNTIME_DIR "XDG_RUNTIME_DIR" "Where rootless engines have their sockets.";
    DOCKER_HOST "DOCKER_HOST" "The engine's address, before everything else.";
    DOCKER_CONTEXT "DOCKER_CONTEXT" "The Docker context, in place of the current one.";
    DOCKER_CONFIG "DOCKER_CONFIG" "The folder of Docker's own settings; else `~/.docker`.";
    DOCKER_TLS_VERIFY "DOCKER_TLS_VERIFY" "Refused: TLS to an engine is not spoken yet.";
    PATH "PATH" "Where `python3`, `pip` and browsers are looked for.";
    BROWSER "BROWSER" "The programs that open a page, with `:` between them; `%s` in one stands for the address.";
    DISPLAY "DISPLAY" "Set: there is a screen, so that `xdg-open` can open a page.";
    WAYLAND_DISPLAY "WAYLAND_DISPLAY" "As DISPLAY.";
    REGISTRY_AUTH_FILE "REGISTRY_AUTH_FILE" "The file of registries' credentials, before Docker's and Podman's own.";
    HTTP_PROXY "HTTP_PROXY" "The proxy of installers in containers, and to registries without encryption (also in lower case).";
    HTTPS_PROXY "HTTPS_PROXY" "As HTTP_PROXY, and before it; to registries with encryption.";
    NO_PROXY "NO_PROXY" "Hosts of registries that are reached without a proxy (also in lower case).";
    SSL_CERT_FILE "SSL_CERT_FILE" "A bundle of certificates for installers in containers, and for registries in place of the built-in ones.";
    REQUESTS_CA_BUNDLE "REQUESTS_CA_BUNDLE" "As SSL_CERT_FILE, and before it.";
    CURL_CA_BUNDLE "CURL_CA_BUNDLE" "As SSL_CERT_FILE, and before it.";
    PIP_CERT "PIP_CERT" "As SSL_CERT_FILE, and before all others.";
    PIP_CONFIG_FILE "PIP_CONFIG_FILE" "A file of pip's settings.";
    PIP_INDEX_URL "PIP_INDEX_URL" "pip's own: passed on to the container that installs requirements.";
    PIP_EXTRA_INDEX_URL "PIP_EXTRA_INDEX_URL" "As PIP_INDEX_URL.";
    PIP_FIND_LINKS "PIP_FIND_LINKS" "As PIP_INDEX_URL; folders are mounted.";
    PIP_TRUSTED_HOST "PIP_TRUSTED_HOST" "As PIP_INDEX_URL.";
    PIP_PROXY "PIP_PROXY" "As PIP_INDEX_URL.";
    PIP_TIMEOUT "PIP_DEFAULT_TIMEOUT" "As PIP_INDEX_URL.";
    PIP_NO_INDEX "PIP_NO_INDEX" "As PIP_INDEX_URL.";
    UV_DEFAULT_INDEX "UV_DEFAULT_INDEX" "The index of Python packages, before what pip is set to.";
    UV_INDEX_URL "UV_INDEX_URL" "As UV_DEFAULT_INDEX, in its older spelling.";
    UV_INDEX "UV_INDEX" "Further indexes of Python packages, before what pip is set to.";
    UV_EXTRA_INDEX_URL "UV_EXTRA_INDEX_URL" "As UV_INDEX, in its older spelling.";
    UV_FIND_LINKS "UV_FIND_LINKS" "Folders and pages of Python packages, with commas, before what pip is set to.";
    UV_INSECURE_HOST "UV_INSECURE_HOST" "Hosts of indexes whose certificates uv need not believe.";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_explained() {
        let mut names: Vec<_> = ALL.iter().map(|(name, _)| *name).collect();
        names.sort_unstable();
        let count = names.len();
        names.dedup();
        assert_eq!(names.len(), count);
        assert!(ALL.iter().all(|(_, does)| does.ends_with('.')));
    }
}
