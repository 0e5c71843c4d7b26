//! The driver through its procedures, on a host of its own below a folder: pools and volumes live, and outlive it.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on has failed and says why")]

use api::event::Event;
use api::{Call, EventSink, Outcome, Source, Storage};
use base::object::{StoragePoolRef, StorageVolRef};
use driver_storage::{Driver, Passphrases, SecretKey, Setup};
use host::Layout;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// What was published, in short.
#[derive(Default)]
struct Heard(Mutex<Vec<String>>);

impl EventSink for Heard {
    fn publish(&self, event: Event) {
        let text = match event {
            Event::StoragePoolLifecycle(what) => format!("{} {}", what.pool.name, what.event),
            Event::StoragePoolRefresh(what) => format!("{} looked at", what.pool.name),
            _ => "strange".to_owned(),
        };
        self.0.lock().unwrap().push(text);
    }
}

/// There are no secrets.
struct Nobody;

impl Passphrases for Nobody {
    fn value(&self, _key: &SecretKey) -> base::Result<Vec<u8>> {
        Err(base::Error::no_support("none"))
    }

    fn of_volume(&self, _path: &str) -> Option<base::Uuid> {
        None
    }
}

struct World {
    root: PathBuf,
    heard: Arc<Heard>,
    driver: Option<Arc<Driver>>,
    cx: Call,
}

impl World {
    fn new() -> World {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let root = std::env::temp_dir().join(format!("storage-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&root).unwrap();
        let mut world = World { root, heard: Arc::default(), driver: None, cx: Call::internal() };
        world.start();
        world
    }

    fn start(&mut self) {
        let setup = Setup {
            layout: Layout::of(&self.root),
            events: self.heard.clone(),
            passphrases: Box::new(Nobody),
        };
        self.driver = Some(Driver::start(setup).unwrap());
    }

    /// The daemon ends and another one begins.
    fn restart(&mut self) {
        if let Some(driver) = self.driver.take() {
            driver.stop();
        }
        self.start();
    }

    fn driver(&self) -> &Driver {
        self.driver.as_ref().unwrap()
    }

    fn folder(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    fn document(&self, name: &str) -> String {
        let path = self.folder(name).display().to_string();
        format!("<pool type='dir'><name>{name}</name><target><path>{path}</path></target></pool>")
    }

    /// A defined pool, built and active.
    fn pool(&self, name: &str) -> StoragePoolRef {
        let pool = self.driver().storage_pool_define_xml(&self.cx, &self.document(name), 0).unwrap();
        self.driver().storage_pool_create(&self.cx, &pool, 1).unwrap();
        pool
    }

    fn volume(&self, pool: &StoragePoolRef, name: &str, rest: &str) -> base::Result<StorageVolRef> {
        let text = format!("<volume><name>{name}</name><capacity unit='KiB'>64</capacity>{rest}</volume>");
        self.driver().storage_vol_create_xml(&self.cx, pool, &text, 0)
    }

    fn heard(&self) -> Vec<String> {
        std::mem::take(&mut *self.heard.0.lock().unwrap())
    }
}

impl Drop for World {
    fn drop(&mut self) {
        if let Some(driver) = self.driver.take() {
            driver.stop();
        }
        let _ = std::fs::remove_dir_all(&self.root);
    }
}

fn refused<T: std::fmt::Debug>(outcome: base::Result<T>, message: &str) {
    let error = outcome.unwrap_err();
    assert!(error.message().contains(message), "{error}");
}

fn wait_for(what: &str, mut holds: impl FnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(60);
    while !holds() {
        assert!(Instant::now() < end, "{what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn the_life_of_a_pool() {
    let world = World::new();
    let (driver, cx) = (world.driver(), &world.cx);
    let pool = driver.storage_pool_define_xml(cx, &world.document("p"), 0).unwrap();
    refused(driver.storage_pool_create(cx, &pool, 0), "cannot open directory");
    driver.storage_pool_build(cx, &pool, 0).unwrap();
    driver.storage_pool_create(cx, &pool, 0).unwrap();
    refused(driver.storage_pool_create(cx, &pool, 0), "storage pool 'p' is already active");
    refused(driver.storage_pool_undefine(cx, &pool), "storage pool 'p' is still active");
    driver.storage_pool_refresh(cx, &pool, 0).unwrap();
    let info = driver.storage_pool_get_info(cx, &pool).unwrap();
    assert!(info.state == 2 && info.capacity > 0);
    driver.storage_pool_destroy(cx, &pool).unwrap();
    refused(driver.storage_pool_num_of_volumes(cx, &pool), "storage pool 'p' is not active");
    driver.storage_pool_delete(cx, &pool, 0).unwrap();
    assert!(!world.folder("p").exists());
    driver.storage_pool_undefine(cx, &pool).unwrap();
    refused(driver.storage_pool_get_info(cx, &pool), "no storage pool with matching uuid");
    assert_eq!(world.heard(), ["p 0", "p 4", "p 2", "p looked at", "p 3", "p 5", "p 1"]);
}

#[test]
fn pools_that_are_in_each_others_way() {
    let world = World::new();
    let (driver, cx) = (world.driver(), &world.cx);
    world.pool("p");
    let other = world.document("p").replace("<name>p<", "<name>q<");
    refused(driver.storage_pool_define_xml(cx, &other, 0), "Storage source conflict with pool: 'p'");
    let uuid = "<uuid>d1ff7e57-0000-4000-8000-000000000001</uuid>";
    let other = world.document("p").replace("</name>", &format!("</name>{uuid}"));
    refused(driver.storage_pool_define_xml(cx, &other, 0), "pool 'p' already exists with uuid");
    let mad = "<pool type='mpath'><name>m</name><target><path>/dev/mapper</path></target></pool>";
    refused(driver.storage_pool_define_xml(cx, mad, 0), "missing backend for pool type 8 (mpath)");
}

#[test]
fn pools_outlive_the_daemon() {
    let mut world = World::new();
    let kept = world.pool("kept");
    world.driver().storage_pool_set_autostart(&world.cx, &kept, 1).unwrap();
    std::fs::create_dir_all(world.folder("brief")).unwrap();
    let brief = world.driver().storage_pool_create_xml(&world.cx, &world.document("brief"), 0).unwrap();
    world.volume(&kept, "v", "").unwrap();
    world.restart();
    let (driver, cx) = (world.driver(), &world.cx);
    for pool in [&kept, &brief] {
        assert_eq!(driver.storage_pool_is_active(cx, pool).unwrap(), 1);
    }
    assert_eq!(driver.storage_pool_list_volumes(cx, &kept, 9).unwrap(), ["v"]);
    assert_eq!(driver.storage_pool_get_autostart(cx, &kept).unwrap(), 1);
    assert_eq!(driver.storage_pool_is_persistent(cx, &brief).unwrap(), 0);
    refused(driver.storage_pool_set_autostart(cx, &brief, 1), "pool has no config file");
    driver.storage_pool_destroy(cx, &brief).unwrap();
    refused(driver.storage_pool_is_active(cx, &brief), "no storage pool");
    std::fs::remove_dir_all(world.folder("kept")).unwrap();
    world.restart();
    assert_eq!(world.driver().storage_pool_is_active(&world.cx, &kept).unwrap(), 0);
}

#[test]
fn volumes_are_made_and_changed() {
    let world = World::new();
    let (driver, cx) = (world.driver(), &world.cx);
    let pool = world.pool("p");
    let vol = world.volume(&pool, "v", "<allocation>0</allocation>").unwrap();
    let path = world.folder("p").join("v");
    assert_eq!(driver.storage_vol_get_path(cx, &vol).unwrap(), path.display().to_string());
    refused(world.volume(&pool, "v", ""), "storage volume 'v' exists already");
    std::fs::write(world.folder("p").join("late"), b"x").unwrap();
    refused(world.volume(&pool, "late", ""), "already exists");
    refused(world.volume(&pool, "a/b", ""), "volume name 'a/b' cannot contain '/'");
    refused(
        world.volume(&pool, "w", "<backingStore><path>/x</path></backingStore>"),
        "not supported for raw",
    );
    driver.storage_vol_resize(cx, &vol, 1 << 20, 0).unwrap();
    refused(driver.storage_vol_resize(cx, &vol, 1024, 0), "Can't shrink");
    driver.storage_vol_resize(cx, &vol, 1024, 6).unwrap();
    assert_eq!(driver.storage_vol_get_info(cx, &vol).unwrap().capacity, (1 << 20) - 1024);
    std::fs::File::options().write(true).open(&path).unwrap().write_all(b"words").unwrap();
    let text = "<volume><name>copy</name><capacity>1</capacity></volume>";
    let copy = driver.storage_vol_create_xml_from(cx, &pool, text, &vol, 0).unwrap();
    assert_eq!(driver.storage_vol_get_info(cx, &copy).unwrap().capacity, (1 << 20) - 1024);
    assert!(std::fs::read(world.folder("p").join("copy")).unwrap().starts_with(b"words\0"));
    driver.storage_vol_wipe(cx, &vol, 0).unwrap();
    assert!(std::fs::read(&path).unwrap().iter().all(|byte| *byte == 0));
    refused(driver.storage_vol_wipe_pattern(cx, &vol, 99, 0), "wiping algorithm 99 not supported");
    let folder = "<target><format type='dir'/></target>";
    let dir = world.volume(&pool, "d", folder).unwrap();
    assert!(world.folder("p").join("d").is_dir());
    for vol in [&vol, &copy, &dir] {
        driver.storage_vol_delete(cx, vol, 0).unwrap();
        refused(driver.storage_vol_get_path(cx, vol), "no storage vol with matching name");
    }
    assert_eq!(std::fs::read_dir(world.folder("p")).unwrap().count(), 1);
}

#[test]
fn contents_go_in_and_out() {
    let world = World::new();
    let (driver, cx) = (world.driver(), &world.cx);
    let pool = world.pool("p");
    let vol = world.volume(&pool, "v", "").unwrap();
    world.heard();
    let mut stream = driver.storage_vol_upload(cx, &vol, 4096, 5, 0).unwrap();
    refused(driver.storage_pool_refresh(cx, &pool, 0), "pool 'p' has asynchronous jobs running.");
    refused(driver.storage_vol_delete(cx, &vol, 0), "volume 'v' is still in use.");
    let end = stream.take_end().unwrap();
    let Source::File { fd, length, .. } = &stream.source else { panic!("{stream:?}") };
    assert_eq!(*length, Some(5));
    std::fs::File::from(fd.try_clone().unwrap()).write_all(b"hello").unwrap();
    end(Outcome::Finished);
    wait_for("the pool is looked at when an upload has ended", || {
        world.heard.0.lock().unwrap().iter().any(|event| event == "p looked at")
    });
    let stream = driver.storage_vol_download(cx, &vol, 4096, 0, 0).unwrap();
    let Source::File { fd, .. } = &stream.source else { panic!("{stream:?}") };
    let mut text = [0; 5];
    std::fs::File::from(fd.try_clone().unwrap()).read_exact(&mut text).unwrap();
    assert_eq!(&text, b"hello");
    drop(stream);
    driver.storage_pool_destroy(cx, &pool).unwrap();
}

#[test]
fn images_are_known_by_their_headers() {
    let world = World::new();
    let (driver, cx) = (world.driver(), &world.cx);
    let folder = world.folder("p");
    std::fs::create_dir_all(&folder).unwrap();
    let mut head = vec![0u8; 1 << 16];
    head[..8].copy_from_slice(b"QFI\xfb\0\0\0\x03");
    head[8..16].copy_from_slice(&200u64.to_be_bytes());
    head[16..20].copy_from_slice(&4u32.to_be_bytes());
    head[20..24].copy_from_slice(&16u32.to_be_bytes());
    head[24..32].copy_from_slice(&(1u64 << 30).to_be_bytes());
    head[80..88].copy_from_slice(&1u64.to_be_bytes());
    head[100..104].copy_from_slice(&104u32.to_be_bytes());
    head[200..204].copy_from_slice(b"base");
    std::fs::write(folder.join("top"), &head).unwrap();
    std::fs::write(folder.join("base"), b"anything").unwrap();
    std::os::unix::fs::symlink("/no/such/place", folder.join("nowhere")).unwrap();
    let pool = world.pool("p");
    assert_eq!(driver.storage_pool_list_volumes(cx, &pool, 9).unwrap(), ["base", "top"]);
    let vol = driver.storage_vol_lookup_by_name(cx, &pool, "top").unwrap();
    let text = driver.storage_vol_get_xml_desc(cx, &vol, 0).unwrap();
    let base = format!("<path>{}</path>", Path::new(&folder).join("base").display());
    for part in ["<format type='qcow2'/>", "<lazy_refcounts/>", "<compat>1.1</compat>", &base, "1073741824"] {
        assert!(text.contains(part), "{part} is not in\n{text}");
    }
    let path = folder.join("top").display().to_string();
    assert_eq!(driver.storage_vol_lookup_by_path(cx, &path.replace("/top", "//top/")).unwrap().name, "top");
    assert_eq!(driver.storage_vol_lookup_by_key(cx, &path).unwrap().name, "top");
    let folder = folder.display().to_string();
    assert_eq!(driver.storage_pool_lookup_by_target_path(cx, &folder).unwrap(), pool);
    std::fs::remove_file(Path::new(&path)).unwrap();
    refused(driver.storage_vol_get_info(cx, &vol), "no storage vol with matching path");
}
