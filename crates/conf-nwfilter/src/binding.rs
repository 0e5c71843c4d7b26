//! `<filterbinding>`: a filter on an interface of a guest.

use base::{Error, ErrorCode, ErrorDomain, Result, Uuid};
use conf_domain::fault::malformed;
use netaddr::Mac;
use xml::{Document, Node, Writer};

use crate::{Include, Parameters, internal};

/// A filter on an interface.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Binding {
    /// Name of the guest.
    pub owner_name: String,
    /// Identity of the guest.
    pub owner_uuid: Uuid,
    /// The interface.
    pub port: String,
    /// The interface that a macvtap interface is on.
    pub link: Option<String>,
    /// Hardware address of the guest's interface.
    pub mac: Mac,
    /// The filter, with values of its variables.
    pub filter: Include,
}

impl Binding {
    /// Reads a document.
    ///
    /// # Errors
    /// In the reference's words.
    pub fn parse(text: &str, validate: bool) -> Result<Binding> {
        let document = Document::parse(text)
            .map_err(|error| malformed(text, &error).in_domain(ErrorDomain::NWFILTER))?;
        let root = document.root();
        if root.name() != "filterbinding" {
            let text = format!("expecting root element of 'filterbinding', not '{}'", root.name());
            return Err(Error::new(ErrorCode::XML_ERROR, ErrorDomain::XML, text));
        }
        if validate {
            schema::validate(schema::Kind::NwFilterBinding, root)?;
        }
        let attr =
            |element: &str, name: &str| root.descend_attr(element, name).filter(|text| !text.is_empty());
        let needed = |element: &str, name: &str, what: &str| {
            attr(element, name).ok_or_else(|| internal(format!("filter binding has no {what}")))
        };
        let text = |path: &str| root.descend(path).map(Node::text).filter(|text| !text.is_empty());
        let port = needed("portdev", "name", "port dev name")?.to_owned();
        let link = match root.child("linkdev") {
            Some(_) => Some(needed("linkdev", "name", "link dev name")?.to_owned()),
            None => None,
        };
        let owner_name = text("owner/name").ok_or_else(|| internal("filter binding has no owner name"))?;
        let uuid = text("owner/uuid").ok_or_else(|| internal("filter binding has no owner UUID"))?;
        let owner_uuid = uuid.parse().map_err(|_| internal(format!("Unable to parse UUID '{uuid}'")))?;
        let mac = needed("mac", "address", "MAC address")?;
        let mac = mac.parse().map_err(|_| internal(format!("Unable to parse MAC '{mac}'")))?;
        let filter = needed("filterref", "filter", "filter reference")?.to_owned();
        let parameters = root.child("filterref").map(Parameters::parse).unwrap_or_default();
        Ok(Binding { owner_name, owner_uuid, port, link, mac, filter: Include { filter, parameters } })
    }

    /// The document as text, ending in a newline.
    pub fn format(&self) -> String {
        let mut w = Writer::new();
        w.element("filterbinding").children(|w| {
            w.element("owner").children(|w| {
                w.leaf("name", &self.owner_name);
                w.leaf("uuid", self.owner_uuid);
            });
            w.element("portdev").attr("name", &self.port).empty();
            if let Some(link) = &self.link {
                w.element("linkdev").attr("name", link).empty();
            }
            w.element("mac").attr("address", self.mac).empty();
            self.filter.format(w);
        });
        w.finish()
    }
}
