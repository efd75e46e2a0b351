//! What images with Python are assembled with, as this machine is set.

use wharf_model::recognise::Model;
use wharf_oci::registry::Access;
use wharf_ops::{
    build::foundation::Supplies,
    error::Result,
    images::{Transfer, engine::EngineAt},
    python::Network,
};

use super::Session;

impl Session<'_> {
    /// Returns what the image of a model is assembled with, if it runs Python, and with which engine's images where there
    /// is one.
    pub(crate) fn supplies(
        &self,
        model: &Model,
        access: Access,
        engine: Option<EngineAt>,
    ) -> Result<Option<Supplies>> {
        if model.card.runtime.is_native() {
            return Ok(None);
        }
        let (reporter, cancel) = (self.reporter(), self.cancel.clone());
        let packages = self.config.packages(Network::Allowed, reporter.clone(), cancel.clone())?;
        Ok(Some(Supplies {
            transfer: Transfer { access, reporter, cancel },
            engine: engine.map(|engine| self.images_of(engine)),
            packages,
            place: self.config.lock_place(model),
            python_of_machine: self.config.python_minor(),
        }))
    }
}
