//! The host of the world: two cells of eight processors that exist in this file only.

use crate::{Test, fail, known};
use api::host::{
    ConnectGetCpuModelNamesRet, NodeGetCpuMapRet, NodeGetCpuStats, NodeGetCpuStatsRet, NodeGetInfoRet,
    NodeGetSecurityModelRet,
};
use api::{Call, Host};
use base::{ErrorCode, Result};
use std::fmt::Write;

/// KiB of memory of each cell, and the size of its small pages.
const CELLS: [(u64, u32); 2] = [(2_097_152, 4), (4_194_304, 8)];
const CPUS: u32 = 8;

fn capabilities() -> String {
    let mut pages = String::new();
    for size in [4, 8, 2048, 1_048_576] {
        let _ = writeln!(pages, "      <pages unit='KiB' size='{size}'/>");
    }
    let mut cells = String::new();
    for (cell, (memory, page)) in CELLS.iter().enumerate() {
        let _ = write!(
            cells,
            "        <cell id='{cell}'>\n          <memory unit='KiB'>{memory}</memory>\n          <pages unit='KiB' size='{page}'>{}</pages>\n          <pages unit='KiB' size='2048'>0</pages>\n          <pages unit='KiB' size='1048576'>0</pages>\n          <cpus num='{CPUS}'>\n",
            memory / u64::from(*page)
        );
        for core in 0..CPUS {
            let id = cell as u32 * CPUS + core;
            let _ = writeln!(
                cells,
                "            <cpu id='{id}' socket_id='{cell}' die_id='0' cluster_id='0' core_id='{core}' siblings='{id}'/>"
            );
        }
        cells.push_str("          </cpus>\n        </cell>\n");
    }
    let guest = |kind: &str| {
        format!(
            "  <guest>\n    <os_type>{kind}</os_type>\n    <arch name='i686'>\n      <wordsize>32</wordsize>\n      <emulator>/usr/bin/test-hv</emulator>\n      <domain type='test'/>\n    </arch>\n    <features>\n      <pae/>\n      <nonpae/>\n    </features>\n  </guest>\n\n"
        )
    };
    format!(
        "<capabilities>\n\n  <host>\n    <cpu>\n      <arch>i686</arch>\n      <features>\n        <pae/>\n        <nonpae/>\n      </features>\n{pages}    </cpu>\n    <power_management/>\n    <iommu support='no'/>\n    <topology>\n      <cells num='2'>\n{cells}      </cells>\n    </topology>\n    <secmodel>\n      <model>testSecurity</model>\n      <doi></doi>\n    </secmodel>\n  </host>\n\n{}{}</capabilities>\n",
        guest("hvm"),
        guest("xen")
    )
}

const SYSINFO: &str = "<sysinfo type='smbios'>
  <bios>
    <entry name='vendor'>LENOVO</entry>
    <entry name='version'>G4ETA1WW (2.61 )</entry>
    <entry name='date'>05/07/2014</entry>
    <entry name='release'>2.61</entry>
  </bios>
</sysinfo>
";

/// An array of C characters.
pub(crate) fn signed(text: &str) -> Vec<i8> {
    text.bytes().map(|byte| byte as i8).chain([0]).collect()
}

impl Host for Test {
    fn connect_get_type(&self, _: &Call) -> Result<String> {
        Ok("TEST".to_owned())
    }

    fn connect_get_version(&self, _: &Call) -> Result<u64> {
        Ok(2)
    }

    fn connect_get_lib_version(&self, _: &Call) -> Result<u64> {
        Ok(11_003_000)
    }

    fn connect_get_hostname(&self, _: &Call) -> Result<String> {
        Ok(host::node::Tree::machine().hostname())
    }

    fn connect_get_max_vcpus(&self, _: &Call, _: Option<&str>) -> Result<i32> {
        Ok(32)
    }

    fn connect_is_secure(&self, _: &Call) -> Result<i32> {
        Ok(1)
    }

    fn connect_get_capabilities(&self, _: &Call) -> Result<String> {
        Ok(capabilities())
    }

    fn connect_get_sysinfo(&self, _: &Call, flags: u32) -> Result<String> {
        known(flags, 0, "testConnectGetSysinfo")?;
        Ok(SYSINFO.to_owned())
    }

    fn node_get_info(&self, _: &Call) -> Result<NodeGetInfoRet> {
        let mut model = [0; 32];
        for (to, from) in model.iter_mut().zip(b"i686") {
            *to = *from as i8;
        }
        Ok(NodeGetInfoRet {
            model,
            memory: 3_145_728,
            cpus: 16,
            mhz: 1400,
            nodes: 2,
            sockets: 2,
            cores: 2,
            threads: 2,
        })
    }

    fn node_get_free_memory(&self, _: &Call) -> Result<u64> {
        Ok(3_145_728)
    }

    fn node_get_cells_free_memory(&self, _: &Call, start_cell: i32, maxcells: i32) -> Result<Vec<u64>> {
        let start = usize::try_from(start_cell).unwrap_or(usize::MAX);
        if start >= CELLS.len() {
            return fail(ErrorCode::INVALID_ARG, "Range exceeds available cells");
        }
        let cells = CELLS[start..].iter().map(|(memory, _)| *memory);
        Ok(cells.take(usize::try_from(maxcells).unwrap_or(0)).collect())
    }

    fn node_get_free_pages(
        &self,
        _: &Call,
        pages: &[u32],
        start_cell: i32,
        cell_count: u32,
        flags: u32,
    ) -> Result<Vec<u64>> {
        known(flags, 0, "testNodeGetFreePages")?;
        // Numbers that differ for every cell and size.
        let mut out = Vec::new();
        for cell in 0..u64::from(cell_count) {
            let mut value = 6 * (u64::try_from(start_cell).unwrap_or(0) + cell);
            for _ in pages {
                value = value * 2 + 7;
                out.push(value);
            }
        }
        Ok(out)
    }

    fn node_get_cpu_map(&self, _: &Call, _: i32, _: i32, flags: u32) -> Result<NodeGetCpuMapRet> {
        known(flags, 0, "testNodeGetCPUMap")?;
        Ok(NodeGetCpuMapRet { cpumap: vec![0x15], online: 3, ret: 8 })
    }

    fn node_get_cpu_stats(&self, _: &Call, cpu: i32, nparams: i32, flags: u32) -> Result<NodeGetCpuStatsRet> {
        known(flags, 0, "testNodeGetCPUStats")?;
        if cpu >= CPUS as i32 * 2 {
            let text =
                format!("invalid argument: cpuNum in testNodeGetCPUStats must be less than {}", CPUS * 2);
            return fail(ErrorCode::INVALID_ARG, text);
        }
        let stats = [
            ("user", 9_797_400_000),
            ("kernel", 34_678_723_400_000),
            ("idle", 87_264_900_000),
            ("iowait", 763_600_000),
        ];
        if nparams != 0 && nparams != 4 {
            let text = "nparams in testNodeGetCPUStats must be 4";
            return fail(ErrorCode::INVALID_ARG, text);
        }
        let params =
            stats.iter().map(|(field, value)| NodeGetCpuStats { field: (*field).to_owned(), value: *value });
        Ok(NodeGetCpuStatsRet { params: params.collect(), nparams: 4 })
    }

    fn node_get_security_model(&self, _: &Call) -> Result<NodeGetSecurityModelRet> {
        Ok(NodeGetSecurityModelRet { model: signed("testSecurity"), doi: signed("") })
    }

    fn connect_get_cpu_model_names(
        &self,
        _: &Call,
        arch: &str,
        _: i32,
        flags: u32,
    ) -> Result<ConnectGetCpuModelNamesRet> {
        known(flags, 0, "testConnectGetCPUModelNames")?;
        let names = cpu::api::model_names(cpu::Database::builtin(), arch)?;
        let models: Vec<String> = names.into_iter().map(str::to_owned).collect();
        Ok(ConnectGetCpuModelNamesRet { ret: models.len() as i32, models })
    }

    fn connect_get_domain_capabilities(
        &self,
        _: &Call,
        _: Option<&str>,
        arch: Option<&str>,
        machine: Option<&str>,
        _: Option<&str>,
        flags: u32,
    ) -> Result<String> {
        known(flags, 1, "testConnectGetDomainCapabilities")?;
        let arch = arch.unwrap_or("i686");
        let machine = machine.map_or(String::new(), |machine| format!("  <machine>{machine}</machine>\n"));
        Ok(format!(
            "<domainCapabilities>\n  <domain>test</domain>\n{machine}  <arch>{arch}</arch>\n  <cpu>\n    <mode name='host-passthrough' supported='no'/>\n    <mode name='maximum' supported='no'/>\n    <mode name='host-model' supported='no'/>\n    <mode name='custom' supported='no'/>\n  </cpu>\n  <devices>\n  </devices>\n  <features>\n    <sev supported='no'/>\n    <sgx supported='no'/>\n  </features>\n</domainCapabilities>\n"
        ))
    }
}
