//! From method and path to the operation that answers: the most literal template wins.

use std::collections::BTreeMap;
use std::sync::Arc;

use percent_encoding::percent_decode_str;

use super::state::lists;
use crate::provider::{Effect, Location, Method, Service};

/// One operation and where its rows are.
#[derive(Debug)]
pub(super) struct Route {
    /// `service.resource`
    pub(super) table: String,
    pub(super) method: Arc<Method>,
    template: Template,
    /// Whether it serves `SELECT`: of two operations on one path that one is asked.
    selects: bool,
}

/// A path, the server's part of it included, as segments.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Template {
    segments: Vec<Vec<Part>>,
    /// How many of the segments are the server's.
    server: usize,
}

#[derive(Debug, Clone, PartialEq)]
enum Part {
    Literal(String),
    Parameter(String),
}

/// What a path was found to be.
#[derive(Debug)]
pub(super) enum Found<'a> {
    Route(&'a Route, Captured),
    /// The path is known, the HTTP method is not; those that are.
    OtherMethod(Vec<&'a str>),
    Nothing,
}

/// What a path says.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Captured {
    /// Decoded values by the parameter's name on the wire.
    pub(super) values: BTreeMap<String, String>,
    /// The path behind the server's part, as it was sent, without the slash in front.
    pub(super) operation_path: String,
}

#[derive(Debug)]
pub(super) struct Routes(Vec<Route>);

impl Routes {
    pub(super) fn new(services: &[Arc<Service>]) -> Self {
        let mut routes = Vec::new();
        for service in services {
            for resource in service.resources.values() {
                for method in resource.methods.values() {
                    routes.push(Route {
                        table: format!("{}.{}", service.name, resource.name),
                        method: Arc::clone(method),
                        template: Template::of(method),
                        selects: resource.verbs.select.contains(&method.name),
                    });
                }
            }
        }
        Self(routes)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Route> {
        self.0.iter()
    }

    /// Finds who answers. `path` is as it was sent; `query` is decoded.
    pub(super) fn find(&self, http_method: &str, path: &str, query: &[(String, String)]) -> Found<'_> {
        let sent: Vec<&str> = path.strip_prefix('/').unwrap_or(path).split('/').collect();
        let decoded: Vec<String> =
            sent.iter().map(|segment| percent_decode_str(segment).decode_utf8_lossy().into_owned()).collect();
        let mut best: Option<(&Route, BTreeMap<String, String>)> = None;
        let mut others = Vec::new();
        for route in &self.0 {
            let has_constants = route.method.query.iter().all(|pair| query.contains(pair));
            let Some(values) = route.template.captured(&decoded).filter(|values| has_constants && route.allows(values))
            else {
                continue;
            };
            if !route.method.http_method.eq_ignore_ascii_case(http_method) {
                others.push(route.method.http_method.as_str());
            } else if best.as_ref().is_none_or(|(known, _)| route.rank() > known.rank()) {
                best = Some((route, values));
            }
        }
        if let Some((route, values)) = best {
            let operation_path = sent.get(route.template.server..).unwrap_or_default().join("/");
            return Found::Route(route, Captured { values, operation_path });
        }
        others.sort_unstable();
        others.dedup();
        if others.is_empty() { Found::Nothing } else { Found::OtherMethod(others) }
    }
}

impl Route {
    /// Server variables take only the values the document lists.
    fn allows(&self, values: &BTreeMap<String, String>) -> bool {
        let variables = self.method.parameters.iter().filter(|parameter| parameter.location == Location::Server);
        variables.filter(|parameter| !parameter.values.is_empty()).all(|parameter| {
            values
                .get(&parameter.wire)
                .is_none_or(|value| parameter.values.iter().any(|known| known.as_str() == Some(value)))
        })
    }

    fn rank(&self) -> (Vec<u8>, usize, bool, bool, bool) {
        let method = &self.method;
        (self.template.literalness(), method.query.len(), self.selects, method.effect == Effect::Read, lists(method))
    }
}

impl Template {
    pub(super) fn of(method: &Method) -> Self {
        let behind_scheme = method.server.split_once("://").map_or(method.server.as_str(), |(_, rest)| rest);
        let server_path = behind_scheme.split_once('/').map_or("", |(_, path)| path).trim_end_matches('/');
        let server: Vec<&str> = server_path.split('/').filter(|_| !server_path.is_empty()).collect();
        let path = method.path.strip_prefix('/').unwrap_or(&method.path);
        // A variable is called in the URL by its name on the wire.
        let segments = server.iter().copied().chain(path.split('/')).map(parts).collect();
        Self { segments, server: server.len() }
    }

    /// The parameter that is the whole last segment.
    pub(super) fn last_parameter(&self) -> Option<&str> {
        match self.segments.last()?.as_slice() {
            [Part::Parameter(name)] => Some(name),
            _ => None,
        }
    }

    /// Parameters that are a whole segment with something behind it, each with the number of segments that end with it.
    pub(super) fn parameters_by_prefix(&self) -> impl Iterator<Item = (usize, &str)> {
        let before_last = self.segments.len().saturating_sub(1);
        self.segments.iter().take(before_last).enumerate().skip(self.server).filter_map(|(at, segment)| {
            match segment.as_slice() {
                [Part::Parameter(name)] => Some((at + 1, name.as_str())),
                _ => None,
            }
        })
    }

    /// The number of segments up to the one that is this parameter.
    pub(super) fn length_up_to(&self, wire: &str) -> Option<usize> {
        let is_it = |segment: &Vec<Part>| matches!(segment.as_slice(), [Part::Parameter(name)] if name == wire);
        self.segments.iter().position(is_it).map(|at| at + 1)
    }

    /// Whether the first `length` segments are those of `other`, whatever its parameters are called.
    pub(super) fn begins_like(&self, other: &Self, length: usize) -> bool {
        let alike = |(one, other): (&Vec<Part>, &Vec<Part>)| match (one.as_slice(), other.as_slice()) {
            ([Part::Parameter(_)], [Part::Parameter(_)]) => true,
            (one, other) => one == other,
        };
        other.segments.len() == length && self.segments.iter().zip(&other.segments).all(alike)
    }

    /// Per segment: 2 literal, 1 partly, 0 a parameter.
    fn literalness(&self) -> Vec<u8> {
        let grade = |segment: &Vec<Part>| {
            let parameters = segment.iter().filter(|part| matches!(part, Part::Parameter(_))).count();
            if parameters == 0 { 2 } else { u8::from(parameters < segment.len()) }
        };
        self.segments.iter().map(grade).collect()
    }

    fn captured(&self, segments: &[String]) -> Option<BTreeMap<String, String>> {
        if segments.len() != self.segments.len() {
            return None;
        }
        let mut values = BTreeMap::new();
        let all = self.segments.iter().zip(segments).all(|(parts, text)| capture(parts, text, &mut values));
        all.then_some(values)
    }
}

/// Splits `{zone}.json` into its parts.
fn parts(segment: &str) -> Vec<Part> {
    let mut parts = Vec::new();
    let mut rest = segment;
    while let Some((before, after)) = rest.split_once('{') {
        let Some((name, behind)) = after.split_once('}') else { break };
        if !before.is_empty() {
            parts.push(Part::Literal(before.to_owned()));
        }
        parts.push(Part::Parameter(name.to_owned()));
        rest = behind;
    }
    if !rest.is_empty() {
        parts.push(Part::Literal(percent_decode_str(rest).decode_utf8_lossy().into_owned()));
    }
    parts
}

/// A parameter takes at least one character, and as few as let the rest match.
fn capture(parts: &[Part], text: &str, values: &mut BTreeMap<String, String>) -> bool {
    match parts {
        [] => text.is_empty(),
        [Part::Literal(literal), rest @ ..] => {
            text.strip_prefix(literal.as_str()).is_some_and(|behind| capture(rest, behind, values))
        }
        [Part::Parameter(name)] => {
            values.insert(name.clone(), text.to_owned());
            !text.is_empty()
        }
        [Part::Parameter(name), rest @ ..] => {
            for (at, _) in text.char_indices().skip(1) {
                if capture(rest, &text[at..], values) {
                    values.insert(name.clone(), text[..at].to_owned());
                    return true;
                }
            }
            false
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{method, resource, service};
    use super::*;

    fn routes(paths: &[(&str, &str)]) -> Routes {
        let methods = paths.iter().enumerate().map(|(index, (http, path))| Method {
            name: format!("m{index}"),
            http_method: (*http).to_owned(),
            server: "https://api.example.com/{apiVersion}".to_owned(),
            ..method(path)
        });
        Routes::new(&[Arc::new(service("s", [resource("s", "r", methods)]))])
    }

    fn found(routes: &Routes, http: &str, path: &str) -> String {
        match routes.find(http, path, &[]) {
            Found::Route(route, captured) => {
                let values: Vec<String> =
                    captured.values.iter().map(|(name, value)| format!("{name}={value}")).collect();
                format!("{} {}", route.method.name, values.join(" "))
            }
            Found::OtherMethod(others) => format!("405 {}", others.join(" ")),
            Found::Nothing => "404".to_owned(),
        }
    }

    #[test]
    fn the_most_literal_template_wins() {
        let routes = routes(&[
            ("GET", "/images"),
            ("GET", "/images/{imageId}"),
            ("GET", "/images/sharegroups"),
            ("GET", "/zones/{zone}.json"),
            ("GET", "/zones/{zone}:{action}"),
            ("DELETE", "/images/{imageId}"),
            ("POST", "/list/"),
        ]);
        for (http, path, wanted) in [
            ("GET", "/v4/images", "m0 apiVersion=v4"),
            ("GET", "/v4/images/linode%2Fdebian12", "m1 apiVersion=v4 imageId=linode/debian12"),
            ("GET", "/v4/images/sharegroups", "m2 apiVersion=v4"),
            ("GET", "/v4/images/%2e%2e", "m1 apiVersion=v4 imageId=.."),
            ("GET", "/v4/zones/a.b.json", "m3 apiVersion=v4 zone=a.b"),
            ("GET", "/v4/zones/a:stop", "m4 action=stop apiVersion=v4 zone=a"),
            ("GET", "/v4/zones/.json", "404"),
            ("GET", "/v4/images/", "404"),
            ("GET", "/v4/images/linode/debian12", "404"),
            ("GET", "/images", "404"),
            ("PUT", "/v4/images/5", "405 DELETE GET"),
            ("POST", "/v4/list/", "m6 apiVersion=v4"),
            ("POST", "/v4/list", "404"),
            ("GET", "", "404"),
            ("GET", "/v4/images/%ff%", "m1 apiVersion=v4 imageId=\u{fffd}%"),
        ] {
            assert_eq!(found(&routes, http, path), wanted, "{http} {path}");
        }
    }

    #[test]
    fn constants_in_the_query_tell_operations_apart() {
        let plain = Method { name: "plain".into(), ..method("/droplets") };
        let tagged =
            Method { name: "tagged".into(), query: vec![("kind".into(), "tagged".into())], ..method("/droplets") };
        let routes = Routes::new(&[Arc::new(service("s", [resource("s", "r", [plain, tagged])]))]);
        let name = |query: &[(String, String)]| match routes.find("GET", "/droplets", query) {
            Found::Route(route, _) => route.method.name.clone(),
            other => panic!("{other:?}"),
        };
        assert_eq!(name(&[]), "plain");
        assert_eq!(name(&[("kind".into(), "tagged".into())]), "tagged");
    }

    #[test]
    fn the_operations_path_is_what_stands_behind_the_servers() {
        let routes = routes(&[("POST", "/image/list/")]);
        let Found::Route(_, captured) = routes.find("POST", "/api/image/list/", &[]) else { panic!("a route") };
        assert_eq!(captured.operation_path, "image/list/");
    }
}
