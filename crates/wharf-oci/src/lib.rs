//! wharf-oci
