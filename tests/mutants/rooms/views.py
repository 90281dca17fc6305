from ..mutation import Mutation

VIEWS: tuple[Mutation, ...] = ()
