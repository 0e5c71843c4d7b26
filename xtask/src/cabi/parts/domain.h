/* One bit a processor, the lowest bit of the first byte being processor 0. */
# define VIR_USE_CPU(cpumap, cpu) ((cpumap)[(cpu) / 8] |= (1 << ((cpu) % 8)))
# define VIR_UNUSE_CPU(cpumap, cpu) ((cpumap)[(cpu) / 8] &= ~(1 << ((cpu) % 8)))
# define VIR_CPU_USED(cpumap, cpu) ((cpumap)[(cpu) / 8] & (1 << ((cpu) % 8)))
# define VIR_CPU_MAPLEN(cpu) (((cpu) + 7) / 8)
# define VIR_CPU_USABLE(cpumaps, maplen, vcpu, cpu) VIR_CPU_USED(VIR_GET_CPUMAP(cpumaps, maplen, vcpu), cpu)
# define VIR_COPY_CPUMAP(cpumaps, maplen, vcpu, cpumap) \
    memcpy(cpumap, VIR_GET_CPUMAP(cpumaps, maplen, vcpu), maplen)
# define VIR_GET_CPUMAP(cpumaps, maplen, vcpu) (&((cpumaps)[(vcpu) * (maplen)]))
# define VIR_DOMAIN_EVENT_CALLBACK(cb) ((virConnectDomainEventGenericCallback)(cb))

/* Older names of the typed parameter. */
# define _virBlkioParameter _virTypedParameter
typedef struct _virTypedParameter virBlkioParameter;
# define _virMemoryParameter _virTypedParameter
typedef struct _virTypedParameter virMemoryParameter;
# define _virSchedParameter _virTypedParameter
typedef struct _virTypedParameter virSchedParameter;
