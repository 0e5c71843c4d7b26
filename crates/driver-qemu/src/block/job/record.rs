//! Jobs in the status document, so that a later daemon knows what they are for.
//!
//! ```xml
//! <blockjobs active='yes'>
//!   <blockjob name='copy-vda-libvirt-1-format' type='copy' state='ready' top='1' shallow='yes'>
//!     <disk dst='vda'/>
//!     <node name='libvirt-2-storage'/>
//!   </blockjob>
//! </blockjobs>
//! ```
//!
//! What a copy is made to stands in the disk's `<mirror>`.

use super::{BlockJob, Jobs, Kind, Stage};
use crate::block::disk::target;
use conf_domain::Domain;
use xml::{Node, Tree, Writer};

const KINDS: [(&str, Kind); 5] = [
    ("pull", Kind::Pull),
    ("copy", Kind::Copy),
    ("commit", Kind::Commit),
    ("active-commit", Kind::ActiveCommit),
    ("backup", Kind::Backup),
];

const STAGES: [(&str, Stage); 4] = [
    ("running", Stage::Running),
    ("ready", Stage::Ready),
    ("pivoting", Stage::Pivoting),
    ("aborting", Stage::Aborting),
];

fn word<T: PartialEq>(words: &[(&'static str, T)], wanted: &T) -> &'static str {
    words.iter().find(|(_, value)| value == wanted).map_or("", |(word, _)| word)
}

fn meant<T: Copy>(words: &[(&str, T)], word: &str) -> Option<T> {
    words.iter().find(|(known, _)| *known == word).map(|(_, value)| *value)
}

/// Prints the jobs of a guest.
pub(crate) fn write(jobs: &Jobs, w: &mut Writer) {
    let running = jobs.all();
    let active = if running.is_empty() { "no" } else { "yes" };
    w.element("blockjobs").attr("active", active).children(|w| {
        for job in &running {
            w.element("blockjob")
                .attr("name", &job.name)
                .attr("type", word(&KINDS, &job.kind))
                .attr("state", word(&STAGES, &job.stage))
                .attr("top", job.top)
                .attr_opt("base", job.base)
                .attr_if(job.delete, "delete", "yes")
                .attr_if(job.shallow, "shallow", "yes")
                .children(|w| {
                    w.element("disk").attr("dst", &job.disk).empty();
                    for node in &job.nodes {
                        w.element("node").attr("name", node).empty();
                    }
                });
        }
    });
}

/// The image that a disk is copied to.
fn copied_to(domain: &Domain, disk: &str) -> Option<Tree> {
    let found = domain.all("disk").find(|other| target(other) == disk)?;
    let mut image = found.child("mirror")?.clone();
    image.name = "backingStore".into();
    for name in ["job", "ready", "file", "format"] {
        image.unset(name);
    }
    Some(image)
}

fn read_one(node: Node<'_>, domain: &Domain) -> Option<BlockJob> {
    let disk = node.child("disk")?.attr("dst")?.to_owned();
    let kind = meant(&KINDS, node.attr("type")?)?;
    let nodes = node.children("node").filter_map(|node| node.attr("name").map(str::to_owned)).collect();
    Some(BlockJob {
        name: node.attr("name")?.to_owned(),
        kind,
        stage: meant(&STAGES, node.attr("state")?)?,
        top: node.attr("top")?.parse().ok()?,
        base: node.attr("base").and_then(|base| base.parse().ok()),
        delete: node.attr("delete") == Some("yes"),
        copy: if kind == Kind::Copy { copied_to(domain, &disk) } else { None },
        nodes,
        shallow: node.attr("shallow") == Some("yes"),
        disk,
    })
}

/// Reads the jobs of a guest; those that are not understood are left out.
pub(crate) fn read(root: Node<'_>, domain: &Domain) -> Vec<BlockJob> {
    let jobs = root.child("blockjobs").into_iter().flat_map(|jobs| jobs.children("blockjob"));
    jobs.filter_map(|node| read_one(node, domain)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn written_and_read() {
        let job = BlockJob {
            name: "pull-vda".to_owned(),
            disk: "vda".to_owned(),
            kind: Kind::Pull,
            stage: Stage::Ready,
            top: 1,
            base: Some(3),
            delete: true,
            copy: None,
            nodes: vec!["n".to_owned()],
            shallow: false,
        };
        let jobs = Jobs::default();
        jobs.add(job.clone());
        let mut w = Writer::new();
        w.element("domstatus").children(|w| write(&jobs, w));
        let text = w.finish();
        let document = xml::Document::parse(&text).unwrap();
        let definition =
            "<domain type='qemu'><name>a</name><memory>1</memory><os><type>hvm</type></os></domain>";
        let domain = Domain::parse(definition, conf_domain::ParseFlags::default(), &mut || [1; 16]).unwrap();
        let read = read(document.root(), &domain);
        assert_eq!(format!("{read:?}"), format!("{:?}", [job]));
    }
}
