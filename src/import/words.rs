//! Names as APIs write them → names as SQL writes them.
//!
//! *Owns*: snake case, titles, singular and plural of English nouns, words that are written in one piece.
//! *Does not own*: which name a thing gets (`naming`).

/// Words whose capitals are not the beginnings of words.
const ONE_PIECE: [(&str, &str); 10] = [
    ("OAuth", "Oauth"),
    ("GitHub", "Github"),
    ("GitLab", "Gitlab"),
    ("PostgreSQL", "Postgresql"),
    ("postgre-sql", "postgresql"),
    ("MySQL", "Mysql"),
    ("NoSQL", "Nosql"),
    ("IPv", "Ipv"),
    ("OpenAPI", "Openapi"),
    ("GraphQL", "Graphql"),
];

/// `loadBalancers` → `load_balancers`, `SSH keys` → `ssh_keys`, `reservedIPs` → `reserved_ips`. Empty only for a text
/// without letters and digits; a name that begins with a digit gets an underscore.
pub(crate) fn snake(text: &str) -> String {
    let mut text = text.trim_end_matches(".yml").trim_end_matches(".yaml").to_owned();
    for (written, plain) in ONE_PIECE {
        text = text.replace(written, plain);
    }
    let chars: Vec<char> = text.chars().collect();
    let mut name = String::with_capacity(text.len() + 4);
    for (index, c) in chars.iter().enumerate() {
        if !c.is_alphanumeric() {
            if !name.is_empty() && !name.ends_with('_') {
                name.push('_');
            }
            continue;
        }
        let before = index.checked_sub(1).and_then(|at| chars.get(at));
        let after = chars.get(index + 1);
        let ends_word = before.is_some_and(|b| b.is_lowercase() || b.is_ascii_digit());
        // The last capital of several begins a word (`SSHKeys`), unless what follows is the plural of them (`IPs`).
        let is_plural = after == Some(&'s') && chars.get(index + 2).is_none_or(|c| !c.is_lowercase());
        let ends_capitals =
            before.is_some_and(|b| b.is_uppercase()) && after.is_some_and(|a| a.is_lowercase()) && !is_plural;
        if c.is_uppercase() && (ends_word || ends_capitals) && !name.is_empty() && !name.ends_with('_') {
            name.push('_');
        }
        name.extend(c.to_lowercase());
    }
    let name = name.trim_end_matches('_');
    if name.starts_with(|c: char| c.is_ascii_digit()) { format!("_{name}") } else { name.to_owned() }
}

/// Words of names that people write with capitals.
const CAPITALS: [(&str, &str); 35] = [
    ("acl", "ACL"),
    ("api", "API"),
    ("bgp", "BGP"),
    ("byoip", "BYOIP"),
    ("ca", "CA"),
    ("cdn", "CDN"),
    ("cpu", "CPU"),
    ("dns", "DNS"),
    ("gpu", "GPU"),
    ("http", "HTTP"),
    ("id", "ID"),
    ("ids", "IDs"),
    ("ip", "IP"),
    ("ips", "IPs"),
    ("ipv4", "IPv4"),
    ("ipv6", "IPv6"),
    ("kafka", "Kafka"),
    ("mysql", "MySQL"),
    ("nat", "NAT"),
    ("nlb", "NLB"),
    ("oauth", "OAuth"),
    ("oauth2", "OAuth2"),
    ("openai", "OpenAI"),
    ("opensearch", "OpenSearch"),
    ("postgresql", "PostgreSQL"),
    ("sql", "SQL"),
    ("ssh", "SSH"),
    ("ssl", "SSL"),
    ("tcp", "TCP"),
    ("tls", "TLS"),
    ("udp", "UDP"),
    ("url", "URL"),
    ("urls", "URLs"),
    ("vpc", "VPC"),
    ("vpcs", "VPCs"),
];

/// `node_pools` → `Node pools`, `ssh_keys` → `SSH keys`.
pub(crate) fn title(name: &str) -> String {
    let mut title = String::with_capacity(name.len());
    for (index, word) in name.split('_').filter(|word| !word.is_empty()).enumerate() {
        if index > 0 {
            title.push(' ');
        }
        let mut chars = word.chars();
        match CAPITALS.iter().find(|(plain, _)| *plain == word) {
            Some((_, written)) => title.push_str(written),
            None if index == 0 => title.extend(chars.next().into_iter().flat_map(char::to_uppercase).chain(chars)),
            None => title.push_str(word),
        }
    }
    title
}

/// The singular of a noun; a word that is none, or is irregular, stays as it is.
pub(super) fn singular(word: &str) -> String {
    if let Some(stem) = word.strip_suffix("ies").filter(|stem| stem.len() > 1) {
        return format!("{stem}y");
    }
    let es = ["sses", "shes", "ches", "xes", "zzes"].iter().any(|end| word.ends_with(end));
    if es {
        return word[..word.len() - 2].to_owned();
    }
    let is_plural = word.len() > 2 && word.ends_with('s') && !["ss", "us", "is"].iter().any(|end| word.ends_with(end));
    if is_plural { word[..word.len() - 1].to_owned() } else { word.to_owned() }
}

/// The plural of a noun; a plural stays as it is.
pub(super) fn plural(word: &str) -> String {
    if word.is_empty()
        || singular(word) != word
        || matches!(word, "data" | "metadata" | "history" | "info" | "config" | "status" | "usage")
    {
        return word.to_owned();
    }
    let before_y = word.strip_suffix('y').filter(|stem| !stem.ends_with(['a', 'e', 'i', 'o', 'u']));
    match before_y {
        Some(stem) => format!("{stem}ies"),
        None if ["s", "sh", "ch", "x", "z"].iter().any(|end| word.ends_with(end)) => format!("{word}es"),
        None => format!("{word}s"),
    }
}

/// The last word of a name in the plural.
pub(super) fn plural_name(name: &str) -> String {
    with_last_word(name, plural)
}

/// The last word of a name in the singular.
pub(crate) fn singular_name(name: &str) -> String {
    with_last_word(name, singular)
}

fn with_last_word(name: &str, change: fn(&str) -> String) -> String {
    match name.rsplit_once('_') {
        Some((front, last)) => format!("{front}_{}", change(last)),
        None => change(name),
    }
}

/// `name` without `prefix` and the separator in front, where something is left.
pub(super) fn without_prefix(name: &str, prefix: &str) -> Option<String> {
    // `node_balancer_types` within `nodebalancers`: the words may be cut differently.
    let folded = singular_name(prefix).replace('_', "");
    let words: Vec<&str> = name.split('_').collect();
    (1..words.len()).rev().find_map(|count| {
        let front = words.get(..count)?.join("_");
        (singular_name(&front).replace('_', "") == folded).then(|| words[count..].join("_"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_become_snake_case() {
        for (text, expected) in [
            ("loadBalancers", "load_balancers"),
            ("SSH Keys", "ssh_keys"),
            ("SSHKeys", "ssh_keys"),
            ("reservedIPs", "reserved_ips"),
            ("reservedIPsActions", "reserved_ips_actions"),
            ("VLANs", "vlans"),
            ("OAuth clients", "oauth_clients"),
            ("get-databases-postgre-sql-instances", "get_databases_postgresql_instances"),
            ("floatingIPs_list", "floating_ips_list"),
            ("get_appRestartCountMetrics.yml", "get_app_restart_count_metrics"),
            ("1-Click Applications", "_1_click_applications"),
            ("a.b c", "a_b_c"),
            ("größe", "größe"),
            ("🎈", ""),
            ("__init__", "init"),
            ("IPv6 pools", "ipv6_pools"),
        ] {
            assert_eq!(snake(text), expected, "{text}");
        }
    }

    #[test]
    fn nouns_have_numbers() {
        for (one, many) in [
            ("image", "images"),
            ("policy", "policies"),
            ("address", "addresses"),
            ("box", "boxes"),
            ("key", "keys"),
            ("switch", "switches"),
        ] {
            assert_eq!(plural(one), many);
            assert_eq!(plural(many), many);
        }
        for (many, one) in [
            ("images", "image"),
            ("policies", "policy"),
            ("boxes", "box"),
            ("sizes", "size"),
            ("access", "access"),
            ("s", "s"),
        ] {
            assert_eq!(singular(many), one);
        }
        assert_eq!(plural_name("node_pool"), "node_pools");
    }

    #[test]
    fn titles_are_for_people() {
        for (name, expected) in [
            ("node_pools", "Node pools"),
            ("ssh_keys", "SSH keys"),
            ("database_mysql_load", "Database MySQL load"),
            ("_1_click", "1 click"),
            ("", ""),
        ] {
            assert_eq!(title(name), expected, "{name}");
        }
    }

    #[test]
    fn prefixes_are_taken_off() {
        for (name, prefix, expected) in [
            ("node_balancer_types", "nodebalancers", Some("types")),
            ("managed_ssh_keys", "managed", Some("ssh_keys")),
            ("images", "images", None),
            ("imageries", "images", None),
        ] {
            assert_eq!(without_prefix(name, prefix).as_deref(), expected, "{name}");
        }
    }
}
