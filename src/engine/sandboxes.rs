//! The sandboxes an engine serves.

use std::sync::{Arc, Mutex, PoisonError};

use crate::clock::SharedClock;
use crate::config::Env;
use crate::error::Result;
use crate::provider::{Registry, Service};
use crate::sandbox::{Sandbox, SandboxOptions, Serving, serve};

/// One sandbox per provider, on loopback, until this is dropped.
#[derive(Debug)]
pub(super) struct Sandboxes {
    clock: SharedClock,
    options: SandboxOptions,
    running: Mutex<Vec<Running>>,
}

#[derive(Debug)]
struct Running {
    provider: String,
    sandbox: Arc<Sandbox>,
    serving: Serving,
}

impl Sandboxes {
    pub(super) fn new(clock: SharedClock, options: SandboxOptions) -> Self {
        Self { clock, options, running: Mutex::new(Vec::new()) }
    }

    /// Serves one provider's sandbox, or every provider's; gives their names and URLs.
    pub(super) fn serve(
        &self,
        registry: &Registry,
        provider: Option<&str>,
        port: u16,
    ) -> Result<Vec<(String, String)>> {
        let names = match provider {
            Some(name) => vec![registry.provider(name)?.name.clone()],
            None => registry.provider_names(),
        };
        let mut served = Vec::new();
        for (index, name) in names.into_iter().enumerate() {
            let known = match registry.provider(&name) {
                // A broken document breaks only itself, and when it is used: then it has its own error.
                Err(_) if provider.is_none() => continue,
                known => known?,
            };
            let loaded = known.services.keys().map(|service| registry.service(&name, service));
            let services: Vec<Arc<Service>> = match provider {
                Some(_) => loaded.collect::<Result<_>>()?,
                None => loaded.filter_map(Result::ok).collect(),
            };
            let sandbox = Arc::new(Sandbox::new(&services, self.options.clone(), Arc::clone(&self.clock))?);
            let serving = serve(Arc::clone(&sandbox), if index == 0 { port } else { 0 })?;
            served.push((known.name.clone(), serving.origin()));
            let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
            running.push(Running { provider: known.name.clone(), sandbox, serving });
        }
        Ok(served)
    }

    /// `env` with the credentials that the running sandboxes accept.
    pub(super) fn credentials(&self, mut env: Env) -> Env {
        let running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        for one in running.iter() {
            tracing::debug!(provider = one.provider, address = %one.serving.addr, "sandbox");
            for (name, value) in one.sandbox.credentials() {
                env = env.with(name, value);
            }
        }
        env
    }
}
