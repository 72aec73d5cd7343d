//! Files: answers that become files, files that are sent, and the very requests that do it.

#![expect(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]

mod downloads;
mod memory;
mod program;
mod records;
mod uploads;

use std::path::Path;

use skyql::Env;
use tempfile::TempDir;

use crate::support::documents::provider_dir;
use crate::support::query::Db;
use crate::support::server::{Seen, Server};

/// An API that keeps blobs.
const DEPOT: &str = "\
openapi: 3.0.3
info: {title: Depot, version: v1}
servers: [{url: 'SERVER/api'}]
paths:
  /blobs/{id}:
    parameters: [{name: id, in: path, required: true, schema: {type: string}}]
    get:
      responses: {'200': {description: bytes, content: {application/octet-stream: {schema: {type: string, format: binary}}}}}
    put:
      parameters: [{name: X-Kind, in: header, schema: {type: string}}]
      requestBody: {required: true, content: {image/png: {schema: {type: string, format: binary}}}}
      responses: {'200': {description: blob, content: {application/json: {schema: {$ref: '#/components/schemas/Blob'}}}}}
  /blobs/{id}/pack:
    parameters: [{name: id, in: path, required: true, schema: {type: string}}]
    post:
      responses: {'200': {description: bytes, content: {application/zip: {}}}}
  /info:
    get:
      responses: {'200': {description: blob, content: {application/json: {schema: {$ref: '#/components/schemas/Blob'}}}}}
  /forms:
    post:
      requestBody:
        required: true
        content:
          multipart/form-data:
            schema:
              type: object
              required: [label, data]
              properties:
                label: {type: string}
                tags: {type: array, items: {type: string}}
                meta: {type: object}
                data: {type: string, format: binary}
                signature: {type: string, format: binary}
      responses: {'200': {description: blob, content: {application/json: {schema: {$ref: '#/components/schemas/Blob'}}}}}
  /notes:
    post:
      requestBody:
        content:
          multipart/form-data:
            schema: {type: object, required: [title], properties: {title: {type: string}, n: {type: integer}, scan: {type: string, format: binary}}}
      responses: {'200': {description: blob, content: {application/json: {schema: {$ref: '#/components/schemas/Blob'}}}}}
  /list:
    post:
      requestBody: {required: true, content: {application/json: {schema: {type: array, items: {type: object}}}}}
      responses: {'204': {description: done}}
  /text:
    post:
      requestBody: {required: true, content: {text/plain: {schema: {type: string}}}}
      responses: {'204': {description: done}}
  /tickets:
    post:
      requestBody:
        content: {application/json: {schema: {type: object, required: [label], properties: {label: {type: string}}}}}
      responses:
        '200':
          description: where the bytes go
          content: {application/json: {schema: {type: object, properties: {id: {type: string}, upload_to: {type: string, format: uri}}}}}
components:
  schemas:
    Blob: {type: object, properties: {id: {type: string}, size: {type: integer}}}
  x-stackQL-resources:
    blobs:
      id: depot.store.blobs
      name: blobs
      methods:
        fetch: {operation: {$ref: '#/paths/~1blobs~1{id}/get'}, response: {openAPIDocKey: '200', mediaType: application/octet-stream}}
        store: {operation: {$ref: '#/paths/~1blobs~1{id}/put'}, response: {openAPIDocKey: '200'}}
        pack: {operation: {$ref: '#/paths/~1blobs~1{id}~1pack/post'}, response: {openAPIDocKey: '200'}}
        info: {operation: {$ref: '#/paths/~1info/get'}, response: {openAPIDocKey: '200'}}
        form: {operation: {$ref: '#/paths/~1forms/post'}, response: {openAPIDocKey: '200'}}
        note: {operation: {$ref: '#/paths/~1notes/post'}, response: {openAPIDocKey: '200'}}
        list: {operation: {$ref: '#/paths/~1list/post'}, response: {openAPIDocKey: '204'}}
        text: {operation: {$ref: '#/paths/~1text/post'}, response: {openAPIDocKey: '204'}}
        ticket:
          operation: {$ref: '#/paths/~1tickets/post'}
          response: {openAPIDocKey: '200'}
          upload: {url: $.upload_to, contentType: application/x-raw, headers: {X-Once: 'yes'}}
      sqlVerbs:
        select: [{$ref: '#/components/x-stackQL-resources/blobs/methods/info'}]
        insert: [{$ref: '#/components/x-stackQL-resources/blobs/methods/note'}]
";

fn depot_documents(url: &str) -> TempDir {
    let service = DEPOT.replace("SERVER", url);
    provider_dir("depot", "v1", &[("store", &service)], "{type: bearer, credentialsenvvar: DEPOT_TOKEN}")
}

/// Writes to the server without asking and without a journal.
fn depot(server: &Server) -> Db {
    let env = Env::empty().with("DEPOT_TOKEN", "the-token");
    Db::with(depot_documents(&server.url()), |builder| builder.env(env).no_journal())
}

fn at(directory: &TempDir, name: &str) -> String {
    directory.path().join(name).to_str().unwrap().to_owned()
}

fn names(directory: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(directory).unwrap();
    let mut names: Vec<String> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

fn line(seen: &Seen) -> String {
    format!("{} {}", seen.method, seen.path_and_query())
}

/// The one request that came.
fn only(server: &Server) -> Seen {
    let [seen]: [Seen; 1] = server.requests().try_into().unwrap();
    seen
}
