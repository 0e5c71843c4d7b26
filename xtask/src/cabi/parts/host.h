# define VIR_NODEINFO_MAXCPUS(nodeinfo) ((nodeinfo).nodes * (nodeinfo).sockets * (nodeinfo).cores * (nodeinfo).threads)
