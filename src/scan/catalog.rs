//! `provider.service.resource` as catalog.schema.table, resolved by name and never listed for a query.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use datafusion::catalog::{CatalogProvider, CatalogProviderList, SchemaProvider, TableProvider};
use datafusion::error::DataFusionError;
use serde_json::Value;

use super::border::to_datafusion;
use super::table::{RestTable, ScanCore};
use crate::bind::Table;
use crate::config::Settings;
use crate::threads::off_thread;

/// What stands between a resource's name and arguments given to it.
const ARGUMENTS: char = '\u{1}';

/// The table name of a resource with parameters given as arguments.
pub fn encode_arguments(resource: &str, arguments: &BTreeMap<String, Value>) -> String {
    if arguments.is_empty() {
        return resource.to_owned();
    }
    let json = serde_json::to_string(arguments).unwrap_or_default();
    format!("{resource}{ARGUMENTS}{json}")
}

/// The providers, and the session's own catalogues beside them.
#[derive(Debug)]
pub struct CatalogList {
    core: Arc<ScanCore>,
    settings: Settings,
    own: Arc<dyn CatalogProviderList>,
}

impl CatalogList {
    /// The list for one statement: provider tables with its settings, and the session's own catalogues.
    pub fn new(core: Arc<ScanCore>, settings: Settings, own: Arc<dyn CatalogProviderList>) -> Self {
        Self { core, settings, own }
    }
}

impl CatalogProviderList for CatalogList {
    fn register_catalog(&self, name: String, catalog: Arc<dyn CatalogProvider>) -> Option<Arc<dyn CatalogProvider>> {
        self.own.register_catalog(name, catalog)
    }

    fn catalog_names(&self) -> Vec<String> {
        let mut names = self.core.registry.provider_names();
        names.extend(self.own.catalog_names());
        names
    }

    fn catalog(&self, name: &str) -> Option<Arc<dyn CatalogProvider>> {
        if let Some(own) = self.own.catalog(name) {
            return Some(own);
        }
        let provider = self.core.registry.provider(name).ok()?;
        Some(Arc::new(ProviderCatalog {
            core: Arc::clone(&self.core),
            settings: self.settings.clone(),
            provider: provider.name.clone(),
            services: provider.services.keys().cloned().collect(),
        }))
    }
}

#[derive(Debug)]
struct ProviderCatalog {
    core: Arc<ScanCore>,
    settings: Settings,
    provider: String,
    services: Vec<String>,
}

impl CatalogProvider for ProviderCatalog {
    fn schema_names(&self) -> Vec<String> {
        self.services.clone()
    }

    fn schema(&self, name: &str) -> Option<Arc<dyn SchemaProvider>> {
        self.services.iter().any(|service| service == name).then(|| {
            Arc::new(ServiceSchema {
                core: Arc::clone(&self.core),
                settings: self.settings.clone(),
                provider: self.provider.clone(),
                service: name.to_owned(),
            }) as Arc<dyn SchemaProvider>
        })
    }
}

/// A service as a schema: its document is read when a table of it is asked for.
#[derive(Debug)]
pub struct ServiceSchema {
    core: Arc<ScanCore>,
    settings: Settings,
    provider: String,
    service: String,
}

#[async_trait]
impl SchemaProvider for ServiceSchema {
    fn table_names(&self) -> Vec<String> {
        self.core
            .registry
            .service(&self.provider, &self.service)
            .map(|service| service.resources.keys().cloned().collect())
            .unwrap_or_default()
    }

    async fn table(&self, name: &str) -> Result<Option<Arc<dyn TableProvider>>, DataFusionError> {
        let (resource, arguments) = match name.split_once(ARGUMENTS) {
            Some((resource, json)) => (resource.to_owned(), serde_json::from_str(json).unwrap_or_default()),
            None => (name.to_owned(), BTreeMap::new()),
        };
        let (core, provider, service) = (Arc::clone(&self.core), self.provider.clone(), self.service.clone());
        // A document may hold megabytes of YAML: not on the async threads.
        let table = off_thread("loading a service", move || {
            let resource = core.registry.resource(&provider, &service, &resource)?;
            Table::new(&provider, &service, resource)
        })
        .await
        .flatten()
        .map_err(to_datafusion)?;
        let table = RestTable::new(Arc::clone(&self.core), Arc::new(table), arguments, self.settings.clone());
        Ok(Some(Arc::new(table)))
    }

    fn table_exist(&self, name: &str) -> bool {
        let resource = name.split(ARGUMENTS).next().unwrap_or(name);
        self.core.registry.resource(&self.provider, &self.service, resource).is_ok()
    }
}
