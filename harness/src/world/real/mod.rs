//! World `real`: routers outside the process.
