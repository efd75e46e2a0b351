//! Which servers are believed: TLS by rustls and ring, with roots that are given or built in.

use std::sync::Arc;

use rustls::{
    ClientConfig, RootCertStore,
    crypto::ring,
    pki_types::{CertificateDer, pem::PemObject as _},
};

use crate::{client::Roots, error::NetError};

pub(crate) fn config(roots: &Roots) -> Result<ClientConfig, NetError> {
    let mut store = RootCertStore::empty();
    match &roots.bundle {
        Some(bundle) => add(&mut store, bundle)?,
        None => store.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned()),
    }
    for pem in &roots.extra {
        add(&mut store, pem)?;
    }
    // The provider is named here: a default of the process could be set only once, by whoever comes first.
    Ok(ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("ring speaks TLS 1.2 and 1.3")
        .with_root_certificates(store)
        .with_no_client_auth())
}

fn add(store: &mut RootCertStore, pem: &crate::client::Pem) -> Result<(), NetError> {
    let certificates: Vec<_> =
        CertificateDer::pem_slice_iter(&pem.bytes).filter_map(Result::ok).collect();
    let (added, _) = store.add_parsable_certificates(certificates);
    if added == 0 { Err(NetError::Roots { text: pem.name.clone() }) } else { Ok(()) }
}
