//! The host and what its emulators can do.

use crate::describe::Asked;
use crate::{Driver, FROM, check_flags, error};
use api::host::{
    ConnectGetCpuModelNamesRet, NodeGetCpuMapRet, NodeGetCpuStats, NodeGetCpuStatsRet, NodeGetInfoRet,
    NodeGetMemoryStats, NodeGetMemoryStatsRet, NodeGetSecurityModelRet,
};
use api::{Call, Host};
use base::{Error, ErrorCode, ErrorDomain, Result};
use conf_domain::ParseFlags;
use host::node::Tree;
use qemu_plan::{alias, argv};

/// The release of the reference whose interfaces are spoken: 11.3.0.
pub(crate) const LIBRARY_VERSION: u64 = 11_003_000;

fn chars(text: &str) -> Vec<i8> {
    text.bytes().map(|byte| byte as i8).collect()
}

impl Driver {
    fn host_facts(&self) -> conf_capabilities::host::Host {
        let tree = Tree::machine();
        let node = tree.node();
        let signature = host::cpuid::leaf(1, 0).map(|leaf| leaf.eax);
        conf_capabilities::host::Host {
            uuid: self.host_uuid.or_else(|| tree.uuid()),
            arch: node.arch.clone(),
            cpu: crate::comparison::described_host(&tree, &node),
            vendor: vendor(),
            microcode: tree.microcode(),
            signature,
            physical_bits: host::cpuid::physical_address_bits(),
            topology: Some((node.sockets * node.nodes, node.cores, node.threads)),
            cell: Some((node.memory_kib, tree.online().into_iter().collect())),
            security: vec![("none".to_owned(), "0".to_owned())],
        }
    }
}

/// The vendor's name as documents spell it.
fn vendor() -> Option<String> {
    let leaf = host::cpuid::leaf(0, 0)?;
    let bytes: Vec<u8> = [leaf.ebx, leaf.edx, leaf.ecx].iter().flat_map(|word| word.to_le_bytes()).collect();
    Some(match bytes.as_slice() {
        b"GenuineIntel" => "Intel".to_owned(),
        b"AuthenticAMD" => "AMD".to_owned(),
        b"HygonGenuine" => "Hygon".to_owned(),
        _ => return None,
    })
}

impl Host for Driver {
    fn connect_get_type(&self, _cx: &Call) -> Result<String> {
        Ok("QEMU".to_owned())
    }

    fn connect_get_version(&self, _cx: &Call) -> Result<u64> {
        Ok(self.emulators.of_arch(std::env::consts::ARCH)?.version_number())
    }

    fn connect_get_lib_version(&self, _cx: &Call) -> Result<u64> {
        Ok(LIBRARY_VERSION)
    }

    fn connect_get_hostname(&self, _cx: &Call) -> Result<String> {
        Ok(Tree::machine().hostname())
    }

    fn connect_is_secure(&self, _cx: &Call) -> Result<i32> {
        // Unix sockets do not leave the machine.
        Ok(1)
    }

    fn connect_get_max_vcpus(&self, _cx: &Call, type_: Option<&str>) -> Result<i32> {
        match type_.map(str::to_ascii_lowercase).as_deref() {
            None | Some("qemu") => Ok(16),
            Some("kvm") => Ok(1024),
            Some("kqemu") => Ok(1),
            Some(other) => Err(error(ErrorCode::INVALID_ARG, format!("unknown type '{other}'"))),
        }
    }

    fn node_get_info(&self, _cx: &Call) -> Result<NodeGetInfoRet> {
        let node = Tree::machine().node();
        let mut model = [0i8; 32];
        for (slot, byte) in model.iter_mut().take(31).zip(node.arch.bytes()) {
            *slot = byte as i8;
        }
        Ok(NodeGetInfoRet {
            model,
            memory: node.memory_kib,
            cpus: node.cpus as i32,
            mhz: node.mhz as i32,
            nodes: node.nodes as i32,
            sockets: node.sockets as i32,
            cores: node.cores as i32,
            threads: node.threads as i32,
        })
    }

    fn node_get_free_memory(&self, _cx: &Call) -> Result<u64> {
        Ok(Tree::machine().free_memory())
    }

    fn node_get_cells_free_memory(&self, _cx: &Call, start_cell: i32, maxcells: i32) -> Result<Vec<u64>> {
        let cells = Tree::machine().node().nodes as i32;
        if start_cell < 0 || start_cell >= cells {
            let text = format!("start cell {start_cell} out of range (0-{})", cells - 1);
            return Err(Error::internal(ErrorDomain::NONE, text));
        }
        // One cell is all memory; the cells of a larger machine are read one by one in a later step.
        let each = Tree::machine().free_memory() / cells.max(1) as u64;
        Ok(vec![each; (cells - start_cell).min(maxcells.max(0)) as usize])
    }

    fn node_get_free_pages(
        &self,
        _cx: &Call,
        pages: &[u32],
        start_cell: i32,
        cell_count: u32,
        flags: u32,
    ) -> Result<Vec<u64>> {
        self.free_pages(pages, start_cell, cell_count, flags)
    }

    fn node_alloc_pages(
        &self,
        _cx: &Call,
        page_sizes: &[u32],
        page_counts: &[u64],
        start_cell: i32,
        cell_count: u32,
        flags: u32,
    ) -> Result<i32> {
        let wanted: Vec<(u32, u64)> = page_sizes.iter().copied().zip(page_counts.iter().copied()).collect();
        self.resize_pools(&wanted, start_cell, cell_count, flags)
    }

    fn node_get_security_model(&self, _cx: &Call) -> Result<NodeGetSecurityModelRet> {
        Ok(NodeGetSecurityModelRet { model: chars("none"), doi: chars("0") })
    }

    fn node_get_cpu_stats(
        &self,
        _cx: &Call,
        cpu_num: i32,
        nparams: i32,
        flags: u32,
    ) -> Result<NodeGetCpuStatsRet> {
        check_flags(flags, 0, "virNodeGetCPUStats")?;
        let cpu = if cpu_num < 0 { None } else { Some(cpu_num as u32) };
        let stats = Tree::machine().cpu_stats(cpu).ok_or_else(|| {
            Error::invalid_arg(
                ErrorDomain::NONE,
                "virHostCPUGetStatsLinux",
                "cpuNum",
                format!("Invalid cpuNum in virHostCPUGetStatsLinux: {cpu_num}"),
            )
        })?;
        if nparams == 0 {
            return Ok(NodeGetCpuStatsRet { params: Vec::new(), nparams: stats.len() as i32 });
        }
        let params: Vec<_> = stats
            .into_iter()
            .map(|(field, value)| NodeGetCpuStats { field: field.to_owned(), value })
            .collect();
        Ok(NodeGetCpuStatsRet { nparams: params.len() as i32, params })
    }

    fn node_get_memory_stats(
        &self,
        _cx: &Call,
        nparams: i32,
        cell_num: i32,
        flags: u32,
    ) -> Result<NodeGetMemoryStatsRet> {
        check_flags(flags, 0, "virNodeGetMemoryStats")?;
        let nodes = Tree::machine().node().nodes as i32;
        if cell_num >= nodes {
            let text = format!("cellNum in virHostMemGetStats must be less than or equal to {}", nodes - 1);
            return Err(Error::invalid_arg(ErrorDomain::NONE, "virHostMemGetStats", "cellNum", text));
        }
        let stats = Tree::machine().memory_stats();
        if nparams == 0 {
            return Ok(NodeGetMemoryStatsRet { params: Vec::new(), nparams: stats.len() as i32 });
        }
        let params: Vec<_> = stats
            .into_iter()
            .map(|(field, value)| NodeGetMemoryStats { field: field.to_owned(), value })
            .collect();
        Ok(NodeGetMemoryStatsRet { nparams: params.len() as i32, params })
    }

    fn node_get_cpu_map(
        &self,
        _cx: &Call,
        need_map: i32,
        need_online: i32,
        flags: u32,
    ) -> Result<NodeGetCpuMapRet> {
        check_flags(flags, 0, "virNodeGetCPUMap")?;
        let tree = Tree::machine();
        let (present, online) = (tree.present(), tree.online());
        let count = present.iter().max().map_or(0, |last| last + 1);
        let mut cpumap = vec![0u8; count.div_ceil(8) as usize];
        for cpu in &online {
            if let Some(byte) = cpumap.get_mut(*cpu as usize / 8) {
                *byte |= 1 << (cpu % 8);
            }
        }
        Ok(NodeGetCpuMapRet {
            cpumap: if need_map != 0 { cpumap } else { Vec::new() },
            online: if need_online != 0 { online.len() as u32 } else { 0 },
            ret: count as i32,
        })
    }

    fn connect_get_capabilities(&self, _cx: &Call) -> Result<String> {
        Ok(self.describe_host(&self.host_facts()))
    }

    fn connect_get_domain_capabilities(
        &self,
        _cx: &Call,
        emulatorbin: Option<&str>,
        arch: Option<&str>,
        machine: Option<&str>,
        virttype: Option<&str>,
        flags: u32,
    ) -> Result<String> {
        check_flags(flags, 1, "qemuConnectGetDomainCapabilities")?;
        self.describe_domain(Asked {
            emulator: emulatorbin,
            arch,
            machine,
            kind: virttype,
            without_deprecated: flags & 1 != 0,
        })
    }

    fn connect_compare_cpu(&self, _cx: &Call, xml: &str, flags: u32) -> Result<i32> {
        self.compare_processor(xml, flags)
    }

    fn connect_baseline_cpu(&self, _cx: &Call, xml_cp_us: &[String], flags: u32) -> Result<String> {
        self.baseline_processor(xml_cp_us, flags)
    }

    fn connect_compare_hypervisor_cpu(
        &self,
        _cx: &Call,
        emulator: Option<&str>,
        arch: Option<&str>,
        machine: Option<&str>,
        virttype: Option<&str>,
        xml_cpu: &str,
        flags: u32,
    ) -> Result<i32> {
        let asked = Asked { emulator, arch, machine, kind: virttype, ..Asked::default() };
        self.compare_with_emulator(asked, xml_cpu, flags)
    }

    fn connect_baseline_hypervisor_cpu(
        &self,
        _cx: &Call,
        emulator: Option<&str>,
        arch: Option<&str>,
        machine: Option<&str>,
        virttype: Option<&str>,
        xml_cp_us: &[String],
        flags: u32,
    ) -> Result<String> {
        let asked = Asked { emulator, arch, machine, kind: virttype, ..Asked::default() };
        self.baseline_with_emulator(asked, xml_cp_us, flags)
    }

    fn connect_get_sysinfo(&self, _cx: &Call, flags: u32) -> Result<String> {
        check_flags(flags, 0, "qemuConnectGetSysinfo")?;
        Err(error(ErrorCode::CONFIG_UNSUPPORTED, "Host SMBIOS information is not available"))
    }

    fn connect_get_cpu_model_names(
        &self,
        _cx: &Call,
        arch: &str,
        need_results: i32,
        flags: u32,
    ) -> Result<ConnectGetCpuModelNamesRet> {
        check_flags(flags, 0, "qemuConnectGetCPUModelNames")?;
        if arch.is_empty() {
            return Err(Error::invalid_arg(
                FROM,
                "virConnectGetCPUModelNames",
                "arch",
                "cannot find architecture",
            ));
        }
        let models = match qemu_caps::arch::Arch::of(arch) {
            // Of an architecture without a table every name is accepted.
            Some(known) if cpu::Family::of(known.name).is_none() => Vec::new(),
            _ => cpu::api::model_names(cpu::Database::builtin(), arch)?,
        };
        let models: Vec<String> = models.into_iter().map(str::to_owned).collect();
        let ret = models.len() as i32;
        Ok(ConnectGetCpuModelNamesRet { models: if need_results != 0 { models } else { Vec::new() }, ret })
    }

    fn connect_domain_xml_to_native(
        &self,
        _cx: &Call,
        native_format: &str,
        domain_xml: &str,
        flags: u32,
    ) -> Result<String> {
        check_flags(flags, 0, "qemuConnectDomainXMLToNative")?;
        if native_format != "qemu-argv" {
            let text = format!("unsupported config type {native_format}");
            return Err(error(ErrorCode::INVALID_ARG, text));
        }
        let flags = ParseFlags { inactive: true, ..ParseFlags::default() };
        let mut domain = self.parse(domain_xml, flags)?;
        let caps = self.caps_for(&domain)?;
        alias::assign(&mut domain);
        let mut next = 5900;
        argv::choose_ports(&mut domain, false, &mut |_| {
            next += 1;
            Ok(next - 1)
        })?;
        let short = crate::start::short_name(-1, &domain.name);
        let private = self.state_dir().join(format!("domain-{short}"));
        let mut start = argv::Start {
            monitor: argv::chardev::Address::Unix(format!("{}/monitor.sock", private.display())),
            env: crate::start::environment(&private),
            private_dir: private.display().to_string(),
            vault: Some(argv::secret::Vault { key: [0; 32], iv: || [0; 16] }),
            host: self.facts(&short),
            short_name: short,
            sandbox: true,
            timestamps: true,
            ..argv::Start::default()
        };
        for (index, interface) in domain.all("interface").enumerate() {
            if matches!(interface.attr("type"), Some("bridge" | "network" | "ethernet" | "direct")) {
                // Nothing is opened; a number stands for what would be.
                start.tap_fds.insert(format!("net{index}"), vec![24 + index as i32]);
            }
        }
        let mut fds = Vec::new();
        for device in domain.all("tpm") {
            let alias = device.attr_at("alias", "name").unwrap_or_default();
            crate::opened::open(device, alias, &mut start, &mut fds)?;
        }
        let line = argv::plan(&domain, &caps, &start)?;
        Ok(argv::one_line(&line))
    }
}
