from ..mutation import Mutation

CLUSTER: tuple[Mutation, ...] = ()
